package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// CapturePlan says how the contenders are compared by the highest rate at which
// they write every packet to a file.
type CapturePlan struct {
	Mix        Mix
	Contenders []Contender
	Directory  string        // for capture files
	Trial      time.Duration // how long a trial sends
	Loss       float64       // part of the packets that a trial may lose
	Rounds     int           // how often each contender has its turn
	Until      time.Time     // after which no further round begins; zero: none
	Search     Search        // of the first round; Start is found out
}

// Measurement is one contender's best rate in one round.
type Measurement struct {
	Contender string  `json:"contender"`
	Mix       string  `json:"bytes"`        // name of the mix
	Loss      float64 `json:"loss_allowed"` // part of the packets
	Round     int     `json:"round"`
	Found     Found   `json:"found"`
	At        Trial   `json:"trial"` // the last one that passed
}

// captureWorkload is a thousand flows of one session, which is all that the
// kernel's vxlan device of one VNI takes.
func captureWorkload(sizes ...int) Workload {
	return Workload{Sizes: sizes, Flows: 1000, Sessions: 1}
}

// captureRun is a plan under way.
type captureRun struct {
	CapturePlan
	stands  []*Stand
	start   map[string]float64 // rate with which each contender's next search begins
	refused map[string]string  // why a contender has no turns
	done    []Measurement
}

// Run gives the contenders their turns, one after the other, round by round. A
// contender that cannot run is left out, for the reason in refused.
func (p CapturePlan) Run(ctx context.Context) (_ []Measurement, refused map[string]string, err error) {
	run := &captureRun{CapturePlan: p, start: make(map[string]float64), refused: make(map[string]string)}
	defer func() { err = errors.Join(err, run.close()) }()
	for _, contender := range p.Contenders {
		if err := run.admit(ctx, contender); err != nil {
			return nil, nil, err
		}
	}
	for round := range p.Rounds {
		if round > 0 && !p.Until.IsZero() && time.Now().After(p.Until) {
			break
		}
		for _, stand := range run.stands {
			if err := run.turn(ctx, stand, round); err != nil {
				return run.done, nil, fmt.Errorf("measure %s at %s bytes: %w", stand.Name, p.Mix.Name, err)
			}
		}
	}
	return run.done, run.refused, nil
}

// admit sets a contender up and estimates where its search begins.
func (r *captureRun) admit(ctx context.Context, contender Contender) error {
	if reason := contender.missing(); reason != "" {
		r.refused[contender.Name] = reason
		return nil
	}
	stand, err := NewStand(contender, captureWorkload(r.Mix.Sizes...), r.Directory)
	if err != nil {
		return fmt.Errorf("set %s up: %w", contender.Name, err)
	}
	r.start[stand.Name], err = stand.estimate(ctx)
	if refusal := new(startError); errors.As(err, &refusal) && contender.Name != r.Contenders[0].Name {
		r.refused[contender.Name] = refusal.Error()
		return stand.Close()
	}
	r.stands = append(r.stands, stand)
	return err
}

func (r *captureRun) close() error {
	var errs []error
	for _, stand := range r.stands {
		errs = append(errs, stand.Close())
	}
	return errors.Join(errs...)
}

// turn searches the best rate of one contender.
func (r *captureRun) turn(ctx context.Context, stand *Stand, round int) error {
	search := r.Search
	if round > 0 { // it will be near the one before
		search.Step = 1 + (search.Step-1)/2
		search.MaxTrials = search.MaxTrials * 2 / 3
	}
	search.Start = r.start[stand.Name]
	search.Limit = generatorPart * stand.limit
	var best Trial
	found, err := search.Run(func(rate float64) (Attempt, error) {
		trial, err := stand.Try(ctx, rate, r.Trial)
		if err != nil {
			return Attempt{}, err
		}
		passed := r.passes(trial)
		if passed {
			best = trial
		}
		slog.Debug("trial", "contender", stand.Name, "bytes", r.Mix.Name, "rate", int(rate), "reached", int(trial.Rate),
			"lost", trial.Lost(), "drain", trial.Drain, "kernel", trial.Kernel, "process", trial.Process, "passed", passed)
		return Attempt{Passed: passed, Reached: trial.Rate}, nil
	})
	if err != nil {
		return err
	}
	r.done = append(r.done, Measurement{stand.Name, r.Mix.Name, r.Loss, round, found, best})
	if rate := median(ratesOf(r.done, stand.Name)); rate > 0 {
		r.start[stand.Name] = rate
	}
	slog.Info("best rate", "contender", stand.Name, "bytes", r.Mix.Name, "loss", r.Loss, "round", round,
		"packets_per_second", int(found.Rate), "trials", found.Trials, "cpu_per_packet", best.CPUPerPacket())
	return nil
}

// backlogMax is what a receiver may still have to do when the last packet has
// been sent, as a part of the trial's length and at the least. With more, it
// only put aside what it could not keep up with.
const (
	backlogMaxPart = 0.03
	backlogMaxTime = 10 * time.Millisecond
)

// generatorPart is the part of what the generator can do at most that is asked of it.
const generatorPart = 0.95

// passes says whether a trial lost no more than it may and left nothing to do.
func (r *captureRun) passes(t Trial) bool {
	return t.Loss() <= r.Loss && t.Drain <= backlogMaxTime+time.Duration(backlogMaxPart*float64(t.Wall))
}

// estimateRate is a rate that every contender can take.
const estimateRate = 100_000

// limitPackets are sent to find out what the generator can do.
const limitPackets = 200_000

// estimate returns the rate at which one CPU would be busy all the time, from
// what a packet costs at a low rate. Before, it measures what the generator can do.
func (s *Stand) estimate(ctx context.Context) (float64, error) {
	generator, err := NewGenerator(s.lane, s.frames)
	if err != nil {
		return 0, err
	}
	sent, err := generator.Send(ctx, limitPackets, 0)
	if err := errors.Join(err, generator.Close()); err != nil {
		return 0, err
	}
	s.limit = sent.Rate()
	trial, err := s.Try(ctx, estimateRate, 100*time.Millisecond)
	if err != nil {
		return 0, err
	}
	if trial.Received == 0 {
		return 0, errors.New("not a packet arrived")
	}
	return 1 / trial.CPUPerPacket().Seconds(), nil
}

// ratesOf returns a contender's rates, round by round.
func ratesOf(measurements []Measurement, contender string) (rates []float64) {
	for _, m := range measurements {
		if m.Contender == contender {
			rates = append(rates, m.Found.Rate)
		}
	}
	return rates
}

// cpuOf returns what a packet cost a contender at its best rate, nanoseconds.
func cpuOf(measurements []Measurement, contender string) (costs []float64) {
	for _, m := range measurements {
		if m.Contender == contender && m.At.Received > 0 {
			costs = append(costs, float64(m.At.CPUPerPacket().Nanoseconds()))
		}
	}
	return costs
}
