package main

import "fmt"

// Mix is the sizes of a row of packets.
type Mix struct {
	Name  string // in results
	Sizes []int  // bytes of the inner frames, in turn
}

// String says the sizes for a person to read.
func (m Mix) String() string {
	if len(m.Sizes) == 1 {
		return fmt.Sprintf("packets of %d bytes", m.Sizes[0])
	}
	return "packets of 64, 512 and 1450 bytes, 7 : 4 : 1"
}

// captureMixes are the inner frames with which captures are compared: next to
// nothing but headers; a full Ethernet frame once it is wrapped; and what the
// Internet's look like, 7 : 4 : 1 (RFC 6985) of sizes that are used alone too.
var captureMixes = []Mix{
	{"64", []int{64}},
	{"1450", []int{1450}},
	{"imix", []int{64, 512, 64, 64, 512, 64, 1450, 64, 512, 64, 64, 512}},
}

// The mixes by name.
var small, full, imix = captureMixes[0], captureMixes[1], captureMixes[2]

// captureName names a comparison by its packets: those of the smallest ones, without
// loss, have the plain name.
func captureName(name string, mix Mix, loss float64) string {
	if mix.Name != small.Name {
		name += "_" + mix.Name
	}
	if loss > 0 {
		name += "_with_loss"
	}
	return name
}
