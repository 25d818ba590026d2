package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// Stages are the programs that go the product's way in part.
type Stages struct {
	objects  programs.StagesObjects
	rings    []*ebpf.Map
	programs map[string]*ebpf.Program
}

// LoadStages loads the programs, configured as the product is.
func LoadStages() (_ *Stages, err error) {
	spec, err := programs.LoadStages()
	if err != nil {
		return nil, fmt.Errorf("read stages: %w", err)
	}
	s := new(Stages)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := spec.Variables[programs.StagesVarCfg].Set(loader.Config(mirror.Defaults())); err != nil {
		return nil, fmt.Errorf("set constants of stages: %w", err)
	}
	cpus, err := prepareRings(spec, OwnRings)
	if err != nil {
		return nil, err
	}
	if err := spec.LoadAndAssign(&s.objects, nil); err != nil {
		return nil, fmt.Errorf("load stages: %w", err)
	}
	s.programs = map[string]*ebpf.Program{
		programs.StagesProgNoop: s.objects.Noop, programs.StagesProgDrop: s.objects.Drop,
		programs.StagesProgRedirect:   s.objects.Redirect,
		programs.StagesProgAfterOuter: s.objects.AfterOuter, programs.StagesProgAfterSession: s.objects.AfterSession,
		programs.StagesProgAfterInner: s.objects.AfterInner, programs.StagesProgAfterDeliver: s.objects.AfterDeliver,
		programs.StagesProgAfterLedger: s.objects.AfterLedger,
	}
	s.rings, err = giveRings(s.objects.Rings, spec.Maps[programs.StagesMapRings].InnerMap, cpus, OwnRings)
	return s, err
}

// Close unloads the programs.
func (s *Stages) Close() error {
	errs := []error{s.objects.Close()}
	for _, ring := range s.rings {
		errs = append(errs, ring.Close())
	}
	return errors.Join(errs...)
}

// run runs one of the programs over live frames, and makes sure that all of them
// went all the way.
func (s *Stages) run(ns *lab.Namespace, name string, frame []byte, packets uint32) (time.Duration, error) {
	for _, ring := range s.rings {
		if err := emptyRing(ring); err != nil {
			return 0, err
		}
	}
	if err := s.objects.Done.Set(uint64(0)); err != nil {
		return 0, fmt.Errorf("reset count of %s: %w", name, err)
	}
	took, err := runLive(ns, s.programs[name], receiverCPU, frame, packets)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	var done uint64
	if err := s.objects.Done.Get(&done); err != nil {
		return 0, fmt.Errorf("read count of %s: %w", name, err)
	}
	if done != uint64(packets) {
		return 0, fmt.Errorf("%s did its work on %d of %d packets", name, done, packets)
	}
	return took, nil
}

// stageOrder is the way of a packet; each program does what the one before does
// and one stage more.
var stageOrder = []struct{ program, stage string }{
	{programs.StagesProgDrop, "harness"},
	{programs.StagesProgAfterOuter, "outer"},
	{programs.StagesProgAfterSession, "session"},
	{programs.StagesProgAfterInner, "inner"},
	{programs.StagesProgAfterDeliver, "deliver"},
	{programs.StagesProgAfterLedger, "ledger"},
}

// StageCost is what one stage costs a packet.
type StageCost struct {
	Stage string    `json:"stage"`
	Size  int       `json:"bytes"` // of the inner frame
	Costs Quartiles `json:"ns"`    // nanoseconds; of the harness all of it, of the others the difference to the stage before
}

// measureStages takes the program apart, for inner frames of each size.
func measureStages(ctx context.Context, sizes []int, rounds int) (_ []StageCost, err error) {
	ns, err := lab.NewNamespace("xdpeel-bench-stages")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	stages, err := LoadStages()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stages.Close()) }()
	var costs []StageCost
	for _, size := range sizes {
		taken := make([][]float64, len(stageOrder))
		frame, err := oneFrame(size)
		if err != nil {
			return nil, err
		}
		for range rounds {
			for i, stage := range stageOrder {
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				took, err := stages.run(ns, stage.program, frame, ringRoom(size))
				if err != nil {
					return nil, err
				}
				taken[i] = append(taken[i], float64(took.Nanoseconds())/float64(ringRoom(size)))
			}
		}
		costs = append(costs, differences(size, taken)...)
	}
	return costs, nil
}

// differences takes each stage's rounds less those of the stage before.
func differences(size int, taken [][]float64) (costs []StageCost) {
	for i, stage := range stageOrder {
		values := make([]float64, len(taken[i]))
		for round := range values {
			values[round] = taken[i][round]
			if i > 0 {
				values[round] -= taken[i-1][round]
			}
		}
		costs = append(costs, StageCost{stage.stage, size, quartiles(values)})
	}
	return costs
}

// oneFrame returns the first mirrored packet of a workload of one size.
func oneFrame(size int) ([]byte, error) {
	f, err := NewFrames(captureWorkload(size), hostMAC[:])
	if err != nil {
		return nil, err
	}
	return f.Outer(0), nil
}
