package main

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// device is a simulated receiver.
type device struct {
	capacity float64 // packets a second
	flaky    float64 // part of the trials that fail for no reason of its own
	stalled  float64 // part of the time that the generator cannot send
	random   *rand.Rand
	tried    []float64
}

func (d *device) try(rate float64) (Attempt, error) {
	d.tried = append(d.tried, rate)
	reached := rate * (1 - d.stalled)
	return Attempt{Passed: d.random.Float64() >= d.flaky && reached <= d.capacity, Reached: reached}, nil
}

func TestSearchFindsTheCapacity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		device           device
		start, low, high float64
		saturated        bool
	}{
		{name: "from below", device: device{capacity: 1e6}, start: 1e5, low: 0.97e6, high: 1e6},
		{name: "from above", device: device{capacity: 1e5}, start: 1e6, low: 0.97e5, high: 1e5},
		{name: "from just there", device: device{capacity: 1e6}, start: 1e6, low: 0.97e6, high: 1e6},
		{name: "some trials are disturbed", device: device{capacity: 1e6, flaky: 0.05}, start: 5e5, low: 0.8e6, high: 1e6},
		{name: "the generator is slower", device: device{capacity: 1e8}, start: 5e5, low: 1e7, high: 1e7, saturated: true},
		{name: "the generator is held up", device: device{capacity: 1e6, stalled: 0.1}, start: 5e5, low: 0.97e6, high: 1e6},
		{name: "nothing passes", device: device{}, start: 1e6},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := test.device
			d.random = rand.New(rand.NewPCG(1, 2))
			search := Search{Start: test.start, Step: 1.25, Precision: 0.03, Attempts: 2, Confirmations: 2, Limit: 1e7}
			found, err := search.Run(d.try)
			if err != nil {
				t.Fatal(err)
			}
			if found.Rate < test.low || found.Rate > test.high || found.Saturated != test.saturated {
				t.Errorf("found %+v, want a rate within %.0f and %.0f, saturated %t", found, test.low, test.high, test.saturated)
			}
			if found.Trials != len(d.tried) {
				t.Errorf("%d trials reported, %d made", found.Trials, len(d.tried))
			}
			if found.Confirmed != (test.high > 0) {
				t.Errorf("confirmed is %t", found.Confirmed)
			}
		})
	}
}

func TestSearchKeepsToItsTrials(t *testing.T) {
	t.Parallel()
	d := device{capacity: 1e6, random: rand.New(rand.NewPCG(1, 2))}
	found, err := Search{Start: 8e5, Step: 1.5, Precision: 0.001, Attempts: 1, Confirmations: 3, MaxTrials: 4, Limit: 1e7}.Run(d.try)
	if err != nil {
		t.Fatal(err)
	}
	if found.Trials != 4 || found.Rate < 8e5 || found.Rate > 1e6 || found.Confirmed {
		t.Errorf("found %+v", found)
	}
}

func TestSearchEndsAtAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := Search{Start: 1, Step: 2, Attempts: 3, Limit: 1}.Run(func(float64) (Attempt, error) { return Attempt{}, broken })
	if !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}
