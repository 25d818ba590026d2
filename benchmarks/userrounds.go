package main

import (
	"context"
	"errors"
	"fmt"
)

// userCosts are the rounds of one way through user space, of three sizes.
type userCosts struct {
	perPacket, perByte []float64         // of the line through the sizes, round by round
	bySize             map[int][]float64 // nanoseconds a packet
	allocs             []float64
}

// add takes the costs of one round.
func (u *userCosts) add(measure func(size int) (spent, error)) error {
	if u.bySize == nil {
		u.bySize = make(map[int][]float64)
	}
	var x, y []float64
	for _, size := range userSizes {
		s, err := measure(size)
		if err != nil {
			return err
		}
		x, y = append(x, float64(size)), append(y, s.perPacket())
		u.bySize[size] = append(u.bySize[size], s.perPacket())
		u.allocs = append(u.allocs, s.allocsPerPacket())
	}
	constant, slope := line(x, y)
	u.perPacket, u.perByte = append(u.perPacket, constant), append(u.perByte, slope)
	return nil
}

// userPlace is a directory in which files are written.
type userPlace struct {
	suffix    string // of the names of its results
	directory string
	costs     userCosts
	dd        []float64 // nanoseconds a byte
}

// userRounds are all that is measured.
type userRounds struct {
	places  []*userPlace           // to files
	cilium  *userPlace             // to a file in the first of the places, with the reader of cilium/ebpf
	batches map[arrival]*userCosts // ring to batch alone
}

// newUserRounds returns those of no round yet.
func newUserRounds(places []*userPlace) *userRounds {
	u := &userRounds{
		cilium:  &userPlace{directory: places[0].directory},
		batches: map[arrival]*userCosts{prompt: {}, late: {}},
	}
	for _, p := range places {
		u.places = append(u.places, &userPlace{suffix: p.suffix, directory: p.directory})
	}
	return u
}

// measureUser measures user space from the ring to a file in each place, and
// dd in the same place in alternation.
func measureUser(ctx context.Context, places []*userPlace, rounds int) (_ []Result, err error) {
	bench, err := newUserBench()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bench.Close()) }()
	library, err := newLibraryBench()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, library.Close()) }()
	all := newUserRounds(places)
	for round := range rounds + 1 {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if round == 1 { // the first one warmed everything up
			all = newUserRounds(places)
		}
		if err := all.round(ctx, bench, library); err != nil {
			return nil, err
		}
	}
	return all.results(), nil
}

// round measures everything once.
func (u *userRounds) round(ctx context.Context, bench *userBench, library *libraryBench) error {
	for arrival, costs := range u.batches {
		if err := costs.add(func(size int) (spent, error) { return bench.measure(nil, size, arrival) }); err != nil {
			return err
		}
	}
	for _, place := range u.places {
		err := place.add(ctx, func(size int) (spent, error) { return bench.toFile(place.directory, size) })
		if err != nil {
			return err
		}
	}
	return u.cilium.add(ctx, func(size int) (spent, error) { return library.toFile(u.cilium.directory, size) })
}

// add measures dd and then something else in a place. So what is written there has pages
// that dd's file has just given back: in a virtual machine it counts for more how long pages
// have been nobody's than what is written to them.
func (p *userPlace) add(ctx context.Context, measure func(size int) (spent, error)) error {
	perByte, err := ddCost(ctx, p.directory)
	if err != nil {
		return err
	}
	p.dd = append(p.dd, perByte)
	return p.costs.add(measure)
}

func (u *userRounds) results() (results []Result) {
	for _, p := range u.places {
		results = append(results, p.costs.result("user_ns_per_packet"+p.suffix, "ns of CPU a packet, ring to file, at 0 bytes"),
			compare("user_byte_cost_vs_dd"+p.suffix, "ns of CPU a byte, ring to file, xdpeel / dd bs=1M", Lower, p.costs.perByte, p.dd).
				with("xdpeel_ns_per_byte", median(p.costs.perByte)).with("dd_ns_per_byte", median(p.dd)))
	}
	own := u.places[0].costs
	results = append(results, figure("user_allocs_per_packet", "heap allocations a packet", Lower, own.allocs))
	for _, a := range []arrival{prompt, late} {
		costs := u.batches[a]
		results = append(results, costs.result("ring_to_batch"+a.suffix+"_ns_per_packet", "ns of CPU a packet, ring to batch, at 0 bytes"),
			figure("ring_to_batch"+a.suffix+"_ns_per_byte", "ns of CPU a byte, ring to batch", Lower, costs.perByte))
	}
	for _, mix := range []Mix{small, full} {
		size := mix.Sizes[0]
		unit := fmt.Sprintf("ns of CPU a packet of %d bytes, ring to file, xdpeel / cilium/ebpf ringbuf", size)
		results = append(results, compare(captureName("user_vs_library_reader", mix, 0), unit,
			Lower, own.bySize[size], u.cilium.costs.bySize[size]).
			with("xdpeel_ns", median(own.bySize[size])).with("library_ns", median(u.cilium.costs.bySize[size])))
	}
	return results
}

// result is the cost a packet at no bytes; what it was at each size is beside it.
func (u *userCosts) result(name, unit string) Result {
	r := figure(name, unit, Lower, u.perPacket)
	for _, size := range userSizes {
		r = r.with(fmt.Sprintf("ns_at_%d_bytes", size), median(u.bySize[size]))
	}
	return r
}
