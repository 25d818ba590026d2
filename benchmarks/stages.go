package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// Stages are the product's program with packets drawn beforehand, whole and in
// part.
type Stages struct {
	loaded     *ebpf.Collection
	rings      []*ebpf.Map
	policySpec *ebpf.MapSpec
}

// LoadStages loads the programs with these names, configured as the product is,
// with a policy. To prove them takes the kernel a third of a second each.
func LoadStages(policy *mirror.Policy, names ...string) (_ *Stages, err error) {
	spec, err := programs.LoadStages()
	if err != nil {
		return nil, fmt.Errorf("read stages: %w", err)
	}
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return !slices.Contains(names, name) })
	if err := spec.Variables[programs.StagesVarCfg].Set(loader.Config(mirror.Defaults())); err != nil {
		return nil, fmt.Errorf("set constants of stages: %w", err)
	}
	cpus, err := prepareRings(spec, OwnRings)
	if err != nil {
		return nil, err
	}
	s := &Stages{policySpec: spec.Maps[programs.StagesMapPolicies].InnerMap}
	if s.loaded, err = ebpf.NewCollection(spec); err != nil {
		return nil, fmt.Errorf("load stages: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.rings, err = giveRings(s.loaded.Maps[programs.StagesMapRings], spec.Maps[programs.StagesMapRings].InnerMap, cpus, OwnRings)
	if err != nil {
		return nil, err
	}
	first, err := newPolicyMap(s.policySpec, policy, 1)
	if err != nil {
		return nil, err
	}
	return s, errors.Join(s.give(first), first.Close())
}

// Close unloads the programs.
func (s *Stages) Close() error {
	s.loaded.Close()
	var errs []error
	for _, ring := range s.rings {
		errs = append(errs, ring.Close())
	}
	return errors.Join(errs...)
}

// give has the following runs judged by a policy.
func (s *Stages) give(policy *ebpf.Map) error {
	return givePolicy(s.loaded.Maps[programs.StagesMapPolicies], policy)
}

// counts returns the accounts of the programs that keep them.
func (s *Stages) counts() (outcomes [abi.OutcomeMax]uint64, ringLost uint64, err error) {
	return countsOf(s.loaded.Maps[programs.StagesMapLedger])
}

// deal has the following runs work on these packets, in turn.
func (s *Stages) deal(draws *Draws) error {
	if err := s.loaded.Variables[programs.StagesVarDraws].Set(draws); err != nil {
		return fmt.Errorf("deal packets: %w", err)
	}
	return nil
}

// run runs one of the programs over live frames, and makes sure that all of them
// went all the way.
func (s *Stages) run(ns *lab.Namespace, name string, frame []byte, packets uint32) (time.Duration, error) {
	for _, ring := range s.rings {
		if err := emptyRing(ring); err != nil {
			return 0, err
		}
	}
	count := s.loaded.Variables[programs.StagesVarDone]
	if err := count.Set(uint64(0)); err != nil {
		return 0, fmt.Errorf("reset count of %s: %w", name, err)
	}
	took, err := runLive(ns, s.loaded.Programs[name], receiverCPU, frame, packets)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	var done uint64
	if err := count.Get(&done); err != nil {
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
	{programs.StagesProgHarness, "harness"},
	{programs.StagesProgAfterOuter, "outer"},
	{programs.StagesProgAfterSession, "session"},
	{programs.StagesProgAfterInner, "inner"},
	{programs.StagesProgAfterFilter, "filter"},
	{programs.StagesProgAfterReduce, "reduce"},
	{programs.StagesProgAfterDeliver, "deliver"},
	{programs.StagesProgWhole, "ledger"},
}

// stagesPolicy has each stage do all of its work: there is a filter to go
// through, and of the flows one in one is kept.
func stagesPolicy(rules []mirror.Rule) *mirror.Policy {
	policy := filterPolicy(rules)
	policy.Sessions[0].Sample = mirror.Sampling{By: abi.SamplingByFlow, OneIn: 1}
	return policy
}

// stagesRules is how many rules the filter has.
const stagesRules = 1000

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
	rules := scatteredRules(stagesRules, 1)
	var names []string
	for _, stage := range stageOrder {
		names = append(names, stage.program)
	}
	stages, err := LoadStages(stagesPolicy(rules), names...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stages.Close()) }()
	var costs []StageCost
	for _, size := range sizes {
		frame, err := oneFrame(size)
		if err != nil {
			return nil, err
		}
		if err := stages.deal(drawHits(frame[innerStart:], rules, anyRule)); err != nil {
			return nil, err
		}
		sides := stages.sides(ns, frame, ringRoom(size))
		if err := alternate(ctx, rounds, sides); err != nil {
			return nil, err
		}
		costs = append(costs, differences(size, sides)...)
	}
	return costs, nil
}

// sides returns the programs in the order of the stages.
func (s *Stages) sides(ns *lab.Namespace, frame []byte, packets uint32) (sides []*side) {
	for _, stage := range stageOrder {
		sides = append(sides, &side{run: func() (float64, error) {
			took, err := s.run(ns, stage.program, frame, packets)
			return float64(took.Nanoseconds()) / float64(packets), err
		}})
	}
	return sides
}

// differences takes each stage's rounds less those of the stage before.
func differences(size int, sides []*side) (costs []StageCost) {
	for i, stage := range stageOrder {
		values := sides[i].costs
		if i > 0 {
			values = less(values, sides[i-1].costs)
		}
		costs = append(costs, StageCost{stage.stage, size, quartiles(values)})
	}
	return costs
}
