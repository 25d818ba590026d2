package main

import (
	"context"
	"fmt"
	"strings"
)

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

// captureName names a comparison of captures: those of the smallest packets
// without loss have the plain name.
func captureName(name string, mix Mix, loss float64) string {
	if mix.Name != small.Name {
		name += "_" + mix.Name
	}
	if loss > 0 {
		name += "_with_loss"
	}
	return name
}

// capture carries out a plan and compares its contenders with the first of them.
func (s *suite) capture(ctx context.Context, plan CapturePlan) ([]Result, error) {
	measurements, refused, err := plan.Run(ctx)
	s.Captures = append(s.Captures, measurements...)
	if err != nil {
		return nil, err
	}
	subject := plan.Contenders[0].Name
	rates := ratesOf(measurements, subject)
	unit := fmt.Sprintf("packets/s to a file without loss, ratio; %s", plan.Mix)
	if plan.Loss > 0 {
		unit = fmt.Sprintf("packets/s to a file with %g %% lost, ratio; %s", 100*plan.Loss, plan.Mix)
	}
	var results []Result
	for _, other := range plan.Contenders[1:] {
		name := captureName("capture_vs_"+other.Name, plan.Mix, plan.Loss)
		if strings.HasSuffix(other.Name, "_again") {
			name = captureName("noise_floor_capture", plan.Mix, plan.Loss)
		}
		if reason := refused[other.Name]; reason != "" {
			results = append(results, unmeasured(name, NotRun, reason))
			continue
		}
		others := ratesOf(measurements, other.Name)
		results = append(results, compare(name, unit, Higher, rates, others).
			with("xdpeel_packets_per_second", median(rates)).with("other_packets_per_second", median(others)).
			with("xdpeel_cpu_ns_per_packet", median(cpuOf(measurements, subject))).
			with("other_cpu_ns_per_packet", median(cpuOf(measurements, other.Name))))
	}
	return results, nil
}

// xdpdumpReason lists xdpdump in a run that does not try it.
func (s *suite) xdpdumpReason(reason string) []Result {
	if missing := xdpdump().missing(); missing != "" {
		reason = missing
	}
	var results []Result
	for _, mix := range []Mix{small, full} {
		results = append(results, unmeasured(captureName("capture_vs_xdpdump", mix, 0), NotRun, reason))
	}
	return results
}
