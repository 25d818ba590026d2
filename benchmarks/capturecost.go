package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Captures are compared by their cost at a rate that all of them take, in packets a
// second, so that it does not matter what else the machine stops for; captureCostLoss is
// the part of the packets that a trial may lose to that.
const (
	captureCostRate  = 300_000
	captureCostTrial = 300 * time.Millisecond
	captureCostLoss  = 0.1
)

// captureCosts are contenders that take turns at one rate.
type captureCosts struct {
	teardown
	mix    Mix
	stands []*Stand
	rates  map[string][]float64 // packets for each second of the receiving CPU, by contender
}

// newCaptureCosts sets up those that can run here.
func newCaptureCosts(contenders []Contender, mix Mix, directory string) (_ *captureCosts, err error) {
	c := &captureCosts{mix: mix, rates: make(map[string][]float64)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	for _, contender := range contenders {
		if contender.missing() != "" {
			continue
		}
		stand, err := NewStand(contender, captureWorkload(mix.Sizes...), directory)
		if err != nil {
			return nil, fmt.Errorf("set %s up: %w", contender.Name, err)
		}
		c.then(stand.Close)
		c.stands = append(c.stands, stand)
	}
	return c, nil
}

// round gives each its turn.
func (c *captureCosts) round(ctx context.Context) error {
	for _, stand := range c.stands {
		trial, err := stand.Try(ctx, captureCostRate, captureCostTrial)
		if err != nil {
			return fmt.Errorf("measure cost of %s: %w", stand.Name, err)
		}
		if trial.Loss() > captureCostLoss {
			return fmt.Errorf("measure cost of %s: %d of %d packets came to the file", stand.Name, trial.Received, trial.Sent)
		}
		c.rates[stand.Name] = append(c.rates[stand.Name], 1/trial.CPUPerPacket().Seconds())
	}
	return nil
}

// results compares the first contender with the others.
func (c *captureCosts) results(contenders []Contender) (results []Result) {
	unit := fmt.Sprintf("packets to a file for each second of the receiving CPU at %d packets/s, ratio; %s", captureCostRate, c.mix)
	xdpeel := c.rates[contenders[0].Name]
	for _, other := range contenders[1:] {
		name := captureName("capture_cost_vs_"+other.Name, c.mix, 0)
		if reason := other.missing(); reason != "" {
			results = append(results, unmeasured(name, reason))
			continue
		}
		results = append(results, compare(name, unit, Higher, xdpeel, c.rates[other.Name]).
			with("xdpeel_cpu_ns_per_packet", 1e9/median(xdpeel)).with("other_cpu_ns_per_packet", 1e9/median(c.rates[other.Name])))
	}
	return results
}

// compareCaptureCosts compares what a packet costs the first contender with what it
// costs the others.
func compareCaptureCosts(ctx context.Context, contenders []Contender, mix Mix, directory string, rounds int) (_ []Result, err error) {
	c, err := newCaptureCosts(contenders, mix, directory)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for range rounds {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := c.round(ctx); err != nil {
			return nil, err
		}
	}
	return c.results(contenders), nil
}
