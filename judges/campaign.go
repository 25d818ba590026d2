package judges

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// sequenceFrames is the length of a campaign's sequences: enough for sessions to
// be learned from, few enough to be read.
const sequenceFrames = 1024

// Campaign asks a panel about generated sequences until its time or its frames
// have run out, or the judges disagree.
type Campaign struct {
	Seed     uint64
	First    uint64        // number of the first sequence
	Duration time.Duration // 0: until Frames
	Frames   uint64        // 0: until Duration; rounded up to whole sequences
	Shortest int           // bytes of the shortest frame
	// Open makes the panel of one worker.
	Open    func() (*Panel, error)
	Workers int
}

// Result counts what a campaign asked.
type Result struct {
	Frames    uint64
	Sequences uint64
	Sessions  uint64 // summed over the sequences, each of which starts with none
	Directed  uint64 // packets of known direction
	Outcomes  [abi.OutcomeMax]uint64
	Took      time.Duration
}

// Run runs the campaign. An error says how to ask the question again.
func (c *Campaign) Run(ctx context.Context) (Result, error) {
	if c.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Duration)
		defer cancel()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		next    atomic.Uint64
		workers sync.WaitGroup
		results = make([]Result, c.Workers)
		errs    = make([]error, c.Workers)
		start   = time.Now()
	)
	for i := range c.Workers {
		workers.Go(func() {
			if errs[i] = c.work(ctx, &next, &results[i]); errs[i] != nil {
				stop()
			}
		})
	}
	workers.Wait()
	var sum Result
	for i := range results {
		sum.add(&results[i])
	}
	sum.Took = time.Since(start)
	return sum, errors.Join(errs...)
}

// work asks one panel, sequence by sequence.
func (c *Campaign) work(ctx context.Context, next *atomic.Uint64, result *Result) (err error) {
	panel, err := c.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, panel.Close()) }()
	g := generator{Seed: c.Seed, Frames: sequenceFrames, Shortest: c.Shortest}
	var s sequence
	for ctx.Err() == nil {
		number := next.Add(1) - 1
		if c.Frames > 0 && number*sequenceFrames >= c.Frames {
			return nil
		}
		g.Sequence(c.First+number, &s)
		judgements, err := panel.ask(&s)
		if err != nil {
			return fmt.Errorf("ask about sequence %d of seed %d: %w", c.First+number, c.Seed, err)
		}
		result.count(judgements)
	}
	return nil
}

func (r *Result) count(j *judgements) {
	r.Sequences++
	r.Frames += uint64(len(j.List))
	r.Sessions += uint64(len(j.Sessions))
	for i, n := range j.Outcomes {
		r.Outcomes[i] += n
	}
	for i := range j.List {
		if j.List[i].Packet.Direction != abi.DirectionUnknown {
			r.Directed++
		}
	}
}

func (r *Result) add(other *Result) {
	r.Sequences += other.Sequences
	r.Frames += other.Frames
	r.Sessions += other.Sessions
	r.Directed += other.Directed
	for i, n := range other.Outcomes {
		r.Outcomes[i] += n
	}
}
