package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// captureRates are in packets a second: what all contenders take with time to spare.
// What a packet costs then is a steadier figure than the highest rate without loss, which
// is that of a machine's longest pause.
var captureRates = []struct {
	mix  Mix
	rate float64
}{{small, 400_000}, {full, 200_000}, {imix, 300_000}}

// captureCostTrial is how long a trial sends.
const captureCostTrial = 300 * time.Millisecond

// costStand is a contender and what a packet cost it, trial by trial, nanoseconds.
type costStand struct {
	*Stand
	kernel, process, sum []float64
}

// turn measures once.
func (s *costStand) turn(ctx context.Context, rate float64) error {
	trial, err := s.Try(ctx, rate, captureCostTrial)
	if err != nil {
		return err
	}
	if trial.Loss() > 0.1 {
		return fmt.Errorf("%d of %d packets were lost: this machine has too much else to do", trial.Lost(), trial.Sent)
	}
	perPacket := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(trial.Received) }
	s.kernel, s.process = append(s.kernel, perPacket(trial.Kernel)), append(s.process, perPacket(trial.Process))
	s.sum = append(s.sum, perPacket(trial.Kernel+trial.Process))
	return nil
}

// costContenders are those that strip; another build of xdpeel, if there is one; and
// xdpeel once more.
func costContenders(xdpeel, before string) []Contender {
	contenders := capturers(xdpeel)[:3]
	if before != "" {
		other := capturers(before)[0]
		other.Name = "before"
		contenders = append(contenders, other)
	}
	return append(contenders, contenders[0].again())
}

// compareCaptureCosts compares what a packet costs xdpeel and others, on its way to a file.
func compareCaptureCosts(ctx context.Context, contenders []Contender, directory string, mix Mix, rate float64, rounds int) (_ []Result, err error) {
	var stands []*costStand
	var results []Result
	defer func() {
		for _, s := range stands {
			err = errors.Join(err, s.Close())
		}
	}()
	for i, contender := range contenders {
		if reason := contender.missing(); reason != "" && i > 0 {
			results = append(results, unmeasured(captureName(contender.comparedBy("capture_cpu"), mix, 0), reason))
			continue
		}
		stand, err := NewStand(contender, captureWorkload(mix.Sizes...), directory)
		if err != nil {
			return nil, fmt.Errorf("set %s up: %w", contender.Name, err)
		}
		stands = append(stands, &costStand{Stand: stand})
	}
	for range rounds {
		for _, s := range stands {
			if err := s.turn(ctx, rate); err != nil {
				return nil, fmt.Errorf("measure %s: %w", s.Name, err)
			}
		}
	}
	unit := fmt.Sprintf("ns of CPU a packet to a file, kernel and process, ratio; %s, %.0f packets/s", mix, rate)
	xdpeel := stands[0]
	for _, other := range stands[1:] {
		results = append(results, compare(captureName(other.comparedBy("capture_cpu"), mix, 0), unit, Lower, xdpeel.sum, other.sum).
			with("xdpeel_kernel_ns", median(xdpeel.kernel)).with("xdpeel_process_ns", median(xdpeel.process)).
			with("other_kernel_ns", median(other.kernel)).with("other_process_ns", median(other.process)))
	}
	return results, nil
}
