package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// filterSize is that of the inner frames.
const filterSize = 64

// filterPackets are in a run: each of those drawn, once.
const filterPackets = drawsLength

// filterBench runs the product's whole program over packets drawn beforehand.
type filterBench struct {
	teardown
	ns       *lab.Namespace
	stages   *Stages
	frame    []byte
	policies int // that were made
}

func newFilterBench() (_ *filterBench, err error) {
	b := new(filterBench)
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.frame, err = oneFrame(filterSize); err != nil {
		return nil, err
	}
	if b.ns, err = lab.NewNamespace("xdpeel-bench-filter"); err != nil {
		return nil, err
	}
	b.then(b.ns.Close)
	b.stages, err = LoadStages(mirror.TakeAll(), programs.StagesProgHarness, programs.StagesProgWhole, programs.StagesProgPassDrawn)
	if err != nil {
		return nil, err
	}
	b.then(b.stages.Close)
	return b, nil
}

// inner returns the inner frame that packets are drawn for.
func (b *filterBench) inner() []byte { return b.frame[innerStart:] }

// filterSide is the program with one policy, and the packets that it gets.
type filterSide struct {
	side
	memory int64 // of the policy, bytes
}

// newSide returns the side whose packets, by these rules, all have one outcome.
func (b *filterBench) newSide(rules []mirror.Rule, draws *Draws, want abi.Outcome) (*filterSide, error) {
	// Generation 1 is the one that the stages were loaded with.
	policy, err := newPolicyMap(b.stages.policySpec, filterPolicy(rules), uint32(b.policies+2))
	if err != nil {
		return nil, err
	}
	b.policies++
	b.then(policy.Close)
	s := &filterSide{memory: policyBytes(policy)}
	s.run = func() (float64, error) { return b.judge(policy, draws, want) }
	return s, nil
}

// hits returns the side whose packets are each matched by a rule, and so delivered.
func (b *filterBench) hits(rules []mirror.Rule, which pick) (*filterSide, error) {
	return b.newSide(rules, drawHits(b.inner(), rules, which), abi.OutcomeDelivered)
}

// judge has the program judge packets, and checks that each had the outcome that
// is wanted. It returns what one cost, harness included.
func (b *filterBench) judge(policy *ebpf.Map, draws *Draws, want abi.Outcome) (float64, error) {
	if err := errors.Join(b.stages.give(policy), b.stages.deal(draws)); err != nil {
		return 0, err
	}
	before, lostBefore, err := b.stages.counts()
	if err != nil {
		return 0, err
	}
	took, err := b.stages.run(b.ns, programs.StagesProgWhole, b.frame, filterPackets)
	if err != nil {
		return 0, err
	}
	after, lostAfter, err := b.stages.counts()
	if err != nil {
		return 0, err
	}
	if n := after[want] - before[want]; n != filterPackets || lostAfter != lostBefore {
		return 0, fmt.Errorf("%d of %d packets were %s, %d lost at the ring", n, filterPackets, want, lostAfter-lostBefore)
	}
	return float64(took.Nanoseconds()) / filterPackets, nil
}

// harness is what all sides have in common: live frames, and the writing of a drawn packet.
func (b *filterBench) harness() *side {
	return &side{run: func() (float64, error) {
		took, err := b.stages.run(b.ns, programs.StagesProgHarness, b.frame, filterPackets)
		return float64(took.Nanoseconds()) / filterPackets, err
	}}
}

// filterPlan says how much is measured.
type filterPlan struct {
	rounds int
	sizes  []int // of the scattered sets; 1 is among them
}

// filterSides are all that take turns.
type filterSides struct {
	harness          *side
	none, again      *filterSide
	scattered        map[int]*filterSide // by the number of rules; packets hit any of them
	first, last      *filterSide         // of 1,000 rules
	rejected, missed *filterSide         // likewise: the first rule rejects; none matches
	rejectedAny      *filterSide         // likewise: any of them does
	overlapping      *filterSide         // 1,000 rules of another kind
}

// edgeRules is how many rules the sets have of which the first or the last matches.
const edgeRules = 1000

func (b *filterBench) newSides(plan filterPlan) (_ *filterSides, err error) {
	s := &filterSides{harness: b.harness(), scattered: make(map[int]*filterSide)}
	for _, n := range plan.sizes {
		if s.scattered[n], err = b.hits(scatteredRules(n, 1), anyRule); err != nil {
			return nil, err
		}
	}
	one, rules := scatteredRules(1, 1), scatteredRules(edgeRules, 1)
	rejecting := scatteredRules(edgeRules, 1)
	for i := range rejecting {
		rejecting[i].Accept = false
	}
	for _, kind := range []struct {
		side  **filterSide
		rules []mirror.Rule
		draws *Draws
		want  abi.Outcome
	}{
		{&s.none, nil, drawHits(b.inner(), one, anyRule), abi.OutcomeDelivered},
		{&s.again, one, drawHits(b.inner(), one, anyRule), abi.OutcomeDelivered},
		{&s.first, rules, drawHits(b.inner(), rules, firstRule), abi.OutcomeDelivered},
		{&s.last, rules, drawHits(b.inner(), rules, lastRule), abi.OutcomeDelivered},
		{&s.rejected, rejecting, drawHits(b.inner(), rules, firstRule), abi.OutcomeFiltered},
		{&s.rejectedAny, rejecting, drawHits(b.inner(), rules, anyRule), abi.OutcomeFiltered},
		{&s.missed, rules, drawMisses(b.inner(), rules), abi.OutcomeFiltered},
	} {
		if *kind.side, err = b.newSide(kind.rules, kind.draws, kind.want); err != nil {
			return nil, err
		}
	}
	s.overlapping, err = b.hits(overlappingRules(edgeRules), anyRule)
	return s, err
}

// all returns the sides in their turn, beginning with what is taken off the others.
func (s *filterSides) all(sizes []int) []*side {
	sides := []*side{s.harness, &s.none.side}
	for _, n := range sizes {
		sides = append(sides, &s.scattered[n].side)
	}
	return append(sides, &s.again.side, &s.first.side, &s.last.side,
		&s.rejected.side, &s.rejectedAny.side, &s.missed.side, &s.overlapping.side)
}

// measureFilter compares the program's cost with filters of different sizes.
func measureFilter(ctx context.Context, plan filterPlan) (_ []Result, _ []GrowthPoint, err error) {
	b, err := newFilterBench()
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	sides, err := b.newSides(plan)
	if err != nil {
		return nil, nil, err
	}
	if err := alternate(ctx, 1, sides.all(plan.sizes)); err != nil { // warms everything up
		return nil, nil, err
	}
	for _, side := range sides.all(plan.sizes) {
		side.costs = nil
	}
	if err := alternate(ctx, plan.rounds, sides.all(plan.sizes)); err != nil {
		return nil, nil, err
	}
	return sides.results(), sides.growth(plan.sizes), nil
}

const filterUnit = "ns of CPU a packet of 64 bytes, the whole program, "

// results compares the sides, without the harness.
func (s *filterSides) results() (results []Result) {
	harness := s.harness.costs
	add := func(name, unit string, a, b *filterSide) {
		subject, other := less(a.costs, harness), less(b.costs, harness)
		results = append(results, compare(name, filterUnit+unit, Lower, subject, other).
			with("ns", median(subject)).with("other_ns", median(other)).with("harness_ns", median(harness)))
	}
	one := s.scattered[1]
	add("filter_1_vs_none", "1 rule / no filter", one, s.none)
	for _, n := range []int{100, 1000, 10_000} {
		if side := s.scattered[n]; side != nil {
			add(fmt.Sprintf("filter_%d_vs_1", n), fmt.Sprintf("%d rules / 1 rule", n), side, one)
		}
	}
	add("filter_1000_overlapping_vs_1", "1000 overlapping rules / 1 rule", s.overlapping, one)
	add("filter_last_vs_first", "the last of 1000 rules takes it / the first", s.last, s.first)
	add("filter_1000_last_vs_1", "the last of 1000 rules takes it / 1 rule", s.last, one)
	add("filter_no_match_vs_any", "none of 1000 rules matches / any of them rejects it", s.missed, s.rejectedAny)
	add("filter_no_match_vs_first", "none of 1000 rules matches / the first rejects it", s.missed, s.rejected)
	add("noise_floor_filter", "1 rule / 1 rule", s.again, one)
	return results
}

// growth returns the cost against the number of rules.
func (s *filterSides) growth(sizes []int) (points []GrowthPoint) {
	for _, n := range sizes {
		side := s.scattered[n]
		points = append(points, GrowthPoint{
			Scale: "rules", At: n, Kernel: quartiles(less(side.costs, s.harness.costs)), Policy: side.memory,
		})
	}
	return points
}
