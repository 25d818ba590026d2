package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// ringsSize is that of the inner frames: so small that the lock of a ring counts.
const ringsSize = 64

// ringsBench has several CPUs put packets into rings at once.
type ringsBench struct {
	teardown
	ns      *lab.Namespace
	product *Product
	frame   []byte
}

func newRingsBench(layout Layout) (_ *ringsBench, err error) {
	b := new(ringsBench)
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.ns, err = lab.NewNamespace("xdpeel-bench-rings"); err != nil {
		return nil, err
	}
	b.then(b.ns.Close)
	if b.product, err = LoadProduct(layout, mirror.TakeAll()); err != nil {
		return nil, err
	}
	b.then(b.product.Close)
	b.frame, err = oneFrame(ringsSize)
	return b, err
}

// run has the first cpus CPUs each take as many packets as a ring of its own
// holds, at once, and returns what a packet cost one of them, in nanoseconds.
func (b *ringsBench) run(cpus int) (float64, error) {
	packets := ringRoom(ringsSize)
	before, lostBefore, err := b.product.counts()
	if err != nil {
		return 0, err
	}
	costs, errs := make([]float64, cpus), make([]error, cpus)
	var all sync.WaitGroup
	for cpu := range cpus {
		all.Go(func() {
			took, err := runLive(b.ns, b.product.objects.Xdpeel, cpu, b.frame, packets)
			costs[cpu], errs[cpu] = float64(took.Nanoseconds())/float64(packets), err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	after, lostAfter, err := b.product.counts()
	if err != nil {
		return 0, err
	}
	delivered := after[abi.OutcomeDelivered] - before[abi.OutcomeDelivered]
	if delivered != uint64(cpus)*uint64(packets) || lostAfter != lostBefore {
		return 0, fmt.Errorf("delivered %d of %d packets, %d of them lost at the ring",
			delivered, uint64(cpus)*uint64(packets), lostAfter-lostBefore)
	}
	return median(costs), b.product.empty()
}

// measureRings compares a ring for each CPU with one that all share, two CPUs at
// once; and measures what each further CPU costs the others.
func measureRings(ctx context.Context, rounds int) (_ []Result, points []GrowthPoint, err error) {
	own, err := newRingsBench(OwnRings)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	shared, err := newRingsBench(SharedRing)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, shared.Close()) }()
	var ownCosts, sharedCosts []float64
	for range rounds {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		for _, side := range []struct {
			bench *ringsBench
			into  *[]float64
		}{{own, &ownCosts}, {shared, &sharedCosts}} {
			cost, err := side.bench.run(2)
			if err != nil {
				return nil, nil, err
			}
			*side.into = append(*side.into, cost)
		}
	}
	points, err = own.growth(rounds)
	result := compare("own_rings_vs_shared_ring", "ns of CPU a packet of 64 bytes into the ring, two CPUs at once, xdpeel / one shared ring",
		Lower, ownCosts, sharedCosts).with("xdpeel_ns", median(ownCosts)).with("shared_ns", median(sharedCosts))
	return []Result{result}, points, err
}

// growth measures with one CPU, two, and so on.
func (b *ringsBench) growth(rounds int) (points []GrowthPoint, err error) {
	for cpus := 1; cpus <= min(runtime.NumCPU(), 8); cpus *= 2 {
		var costs []float64
		for range rounds {
			cost, err := b.run(cpus)
			if err != nil {
				return nil, err
			}
			costs = append(costs, cost)
		}
		points = append(points, GrowthPoint{Scale: "cpus", At: cpus, Kernel: quartiles(costs)})
	}
	return points, nil
}
