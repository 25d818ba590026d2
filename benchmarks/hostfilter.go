package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// hostFilterPackets is how many packets a host's filter gets in a run: fewer than
// xdpeel, since it is slow.
const hostFilterPackets = 10_000

// hostFilter is a filter of the kernel's own in a namespace. It gets inner frames
// without their wrapping.
type hostFilter struct {
	ns     *lab.Namespace
	taken  func() (uint64, error) // packets that it took, since the last time or in all
	closer func() error           // of what else it has; may be nil
}

// Close removes the namespace and the filter with it.
func (f *hostFilter) Close() error {
	var err error
	if f.closer != nil {
		err = f.closer()
	}
	return errors.Join(err, f.ns.Close())
}

// run hands it packets, each of which a rule takes, and returns what one cost,
// with all that the host does until the filter has decided.
func (f *hostFilter) run(stages *Stages, draws *Draws, inner []byte) (float64, error) {
	if err := stages.deal(draws); err != nil {
		return 0, err
	}
	before, err := f.taken()
	if err != nil {
		return 0, err
	}
	took, err := stages.run(f.ns, programs.StagesProgPassDrawn, inner, hostFilterPackets)
	if err != nil {
		return 0, err
	}
	after, err := f.taken()
	if err != nil {
		return 0, err
	}
	if after-before != hostFilterPackets {
		return 0, fmt.Errorf("the host's filter took %d of %d packets", after-before, hostFilterPackets)
	}
	return float64(took.Nanoseconds()) / hostFilterPackets, nil
}

// filterPeer is another program's filter, beside xdpeel's with the same rules. Of
// both it is what the rules add to a packet that counts.
type filterPeer struct {
	name  string // of the result
	rules int
	setUp func(rules []mirror.Rule) (*hostFilter, error) // no rules: takes all packets
}

// slowToCompile is the comparison for which tcpdump compiles 1,000 rules.
const slowToCompile = "filter_vs_tcpdump"

var filterPeers = []filterPeer{
	{"filter_vs_nftables", 1000, newNftables(nftRules)},
	{"filter_vs_nftables_set", 1000, newNftables(nftSet)},
	{slowToCompile, 1000, newSocketFilter},
	{"filter_100_vs_tcpdump", 100, newSocketFilter},
}

// compareHostFilters compares xdpeel's filter with those of others. One that cannot
// take the rules is listed with the reason.
func compareHostFilters(ctx context.Context, peers []filterPeer, rounds int) (results []Result, err error) {
	b, err := newFilterBench()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, peer := range peers {
		result, err := b.compareHostFilter(ctx, peer, rounds)
		if refusal := new(filterRefusal); errors.As(err, &refusal) {
			result, err = unmeasured(peer.name, refusal.Error()), nil
		}
		if err != nil {
			return results, fmt.Errorf("%s: %w", peer.name, err)
		}
		results = append(results, result)
	}
	return results, nil
}

// filterRefusal says that a program is missing or does not take the rules.
type filterRefusal struct{ reason string }

func (r *filterRefusal) Error() string { return r.reason }

func (b *filterBench) compareHostFilter(ctx context.Context, peer filterPeer, rounds int) (_ Result, err error) {
	rules := scatteredRules(peer.rules, 1)
	filtering, err := peer.setUp(rules)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, filtering.Close()) }()
	taking, err := peer.setUp(nil)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, taking.Close()) }()
	xdpeel, err := b.hits(rules, anyRule)
	if err != nil {
		return Result{}, err
	}
	draws := drawHits(b.inner(), rules, anyRule)
	unfiltered, err := b.newSide(nil, draws, abi.OutcomeDelivered)
	if err != nil {
		return Result{}, err
	}
	host := func(f *hostFilter) *side {
		return &side{run: func() (float64, error) { return f.run(b.stages, draws, loopbackFrame(b.inner())) }}
	}
	with, without := host(filtering), host(taking)
	if err := alternate(ctx, rounds, []*side{&xdpeel.side, &unfiltered.side, with, without}); err != nil {
		return Result{}, err
	}
	own, other := less(xdpeel.costs, unfiltered.costs), less(with.costs, without.costs)
	unit := fmt.Sprintf("ns of CPU that %d rules add to a packet of %d bytes, xdpeel / the other", peer.rules, filterSize)
	return compare(peer.name, unit, Lower, own, other).
		with("xdpeel_ns", median(own)).with("other_ns", median(other)).with("other_without_rules_ns", median(without.costs)), nil
}

// loopbackFrame returns an inner frame that is for the loopback's own MAC, so that
// the host does not drop it as somebody else's before it is filtered.
func loopbackFrame(inner []byte) []byte {
	frame := append([]byte(nil), inner...)
	clear(frame[:6])
	return frame
}
