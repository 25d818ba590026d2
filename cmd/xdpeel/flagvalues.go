package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// portList is a flag whose value is a comma-separated list of UDP ports. A later
// one replaces an earlier one.
type portList []uint16

func (p *portList) Type() string { return "list" }

func (p *portList) String() string {
	var words []string
	for _, port := range *p {
		words = append(words, strconv.Itoa(int(port)))
	}
	return strings.Join(words, ",")
}

func (p *portList) Set(text string) error {
	ports := portList{}
	for word := range strings.SplitSeq(text, ",") {
		if text == "" {
			break
		}
		port, err := strconv.ParseUint(strings.TrimSpace(word), 10, 16)
		if err != nil || port == 0 {
			return fmt.Errorf("%q is not a port from 1 to 65535", word)
		}
		ports = append(ports, uint16(port))
	}
	*p = ports
	return nil
}

// vniList is a repeatable flag whose value is a VNI.
type vniList []uint32

func (v *vniList) Type() string { return "vni" }

func (v *vniList) String() string {
	var words []string
	for _, vni := range *v {
		words = append(words, strconv.FormatUint(uint64(vni), 10))
	}
	return strings.Join(words, ",")
}

func (v *vniList) Set(text string) error {
	vni, err := strconv.ParseUint(text, 0, 24)
	if err != nil {
		return fmt.Errorf("%q is not a VNI from 0 to 16777215", text)
	}
	*v = append(*v, uint32(vni))
	return nil
}

// byteSize is a flag whose value is a file size, in bytes. A bare number counts
// millions of bytes, as tcpdump's -C does.
type byteSize int64

func (b *byteSize) Type() string { return "size" }

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10) + "B"
}

func (b *byteSize) Set(text string) error {
	for _, unit := range byteUnits {
		number, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		size, err := strconv.ParseFloat(number, 64)
		if err != nil || !(size > 0) || size*unit.bytes > math.MaxInt64/2 || size*unit.bytes < 1 {
			break
		}
		*b = byteSize(size * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size: a number of millions of bytes, or with a unit (KiB, MiB, GiB, kB, MB, GB)", text)
}

var byteUnits = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"k", 1 << 10}, {"K", 1 << 10}, {"m", 1 << 20}, {"M", 1 << 20}, {"g", 1 << 30}, {"G", 1 << 30},
	{"B", 1}, {"", 1e6},
}
