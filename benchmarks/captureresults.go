package main

import (
	"context"
	"fmt"
)

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
		name := captureName(other.comparedBy("capture"), plan.Mix, plan.Loss)
		if reason := refused[other.Name]; reason != "" {
			results = append(results, unmeasured(name, reason))
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
		results = append(results, unmeasured(captureName("capture_vs_xdpdump", mix, 0), reason))
	}
	return results
}
