package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// redirectProgram is xdpeel's program, and one that only takes the wrapping off, both
// without the veth that they would send frames into: all else is the same, and the
// caches stay warm.
type redirectProgram struct {
	teardown
	ns      *lab.Namespace
	frame   []byte
	product *Product
	stages  *Stages
}

// redirectProgramPackets is how many packets a side is given at once.
const redirectProgramPackets = 1_000_000

func newRedirectProgram(rules int) (_ *redirectProgram, err error) {
	b := new(redirectProgram)
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.ns, err = lab.NewNamespace("xdpeel-bench-redirect"); err != nil {
		return nil, err
	}
	b.then(b.ns.Close)
	if b.frame, err = oneFrame(64); err != nil {
		return nil, err
	}
	if b.product, err = LoadProduct(OwnRings, redirectPolicy(rules)); err != nil {
		return nil, err
	}
	b.then(b.product.Close)
	// It takes packets, and leads nowhere.
	if err := b.product.objects.Veths.Put(uint32(0), bpf.XdpeelVeth{FrameMax: 9216}); err != nil {
		return nil, fmt.Errorf("give veth: %w", err)
	}
	if b.stages, err = LoadStages(mirror.TakeAll(), programs.StagesProgRedirectStripped); err != nil {
		return nil, err
	}
	b.then(b.stages.Close)
	return b, nil
}

func (b *redirectProgram) xdpeel() (float64, error) {
	took, err := b.product.run(b.ns, b.frame, redirectProgramPackets, abi.OutcomeDelivered)
	return float64(took.Nanoseconds()) / redirectProgramPackets, err
}

func (b *redirectProgram) stripped() (float64, error) {
	took, err := b.stages.run(b.ns, programs.StagesProgRedirectStripped, b.frame, redirectProgramPackets)
	return float64(took.Nanoseconds()) / redirectProgramPackets, err
}

// measureRedirectProgram says how many nanoseconds a packet xdpeel's program takes
// longer than one that only takes the wrapping off.
func measureRedirectProgram(ctx context.Context, name string, rules, rounds int) (_ Result, err error) {
	b, err := newRedirectProgram(rules)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	xdpeel, stripped := &side{run: b.xdpeel}, &side{run: b.stripped}
	if err := alternate(ctx, rounds, []*side{xdpeel, stripped}); err != nil {
		return Result{}, err
	}
	const unit = "ns a packet more than a program that only takes the wrapping off, without a veth behind, warm caches"
	return figure(name, unit, Lower, less(xdpeel.costs, stripped.costs)).
		with("xdpeel_ns", median(xdpeel.costs)).with("stripped_ns", median(stripped.costs)), nil
}

func measureRedirectPrograms(ctx context.Context, rounds int) ([]Result, error) {
	plain, err := measureRedirectProgram(ctx, "redirect_program_ns", 0, rounds)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("redirect_%d_rules_program_ns", redirectRules)
	filtered, err := measureRedirectProgram(ctx, name, redirectRules, rounds)
	return []Result{plain, filtered}, err
}
