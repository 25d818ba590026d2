package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/lab"
)

// liveBatch is how many frames the kernel prepares at a time when it runs a program
// with live frames. The receiver is woken only behind them, so they are those that leave
// together. The pool has as many pages
// (xdp_test_run_setup of net/bpf/test_run.c): with less than these, most go back to the
// kernel's allocator, at a cost that no network card has.
const liveBatch = 32

// Generator sends the packets of a workload into a veth pair.
type Generator struct {
	frames  *Frames
	lane    *Lane
	objects programs.GeneratorObjects
	handed  link.Link
	next    uint64
}

// generator returns one that sends packets of these sizes to the receiver's end.
func (l *Lane) generator(sizes ...int) (*Generator, error) {
	frames, err := NewFrames(captureWorkload(sizes...), l.pair.B.MAC)
	if err != nil {
		return nil, err
	}
	return NewGenerator(l, frames)
}

// NewGenerator loads the generator program for a lane.
func NewGenerator(lane *Lane, frames *Frames) (*Generator, error) {
	spec, err := programs.LoadGenerator()
	if err != nil {
		return nil, fmt.Errorf("read generator: %w", err)
	}
	if err := spec.Variables[programs.GeneratorVarCfg].Set(frames.constants()); err != nil {
		return nil, fmt.Errorf("set workload: %w", err)
	}
	g := &Generator{frames: frames, lane: lane}
	if err := spec.LoadAndAssign(&g.objects, nil); err != nil {
		return nil, fmt.Errorf("load generator: %w", err)
	}
	err = lane.pair.A.Namespace.Do(func() error {
		return g.objects.Wire.Put(uint32(0), wireEnd{uint32(lane.pair.A.Index), uint32(g.objects.Make.FD())})
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lead generator to its veth: %w", err), g.Close())
	}
	g.handed, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: "xdp_devmap_xmit", Program: g.objects.Handed})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("have generator learn what a full veth refuses: %w", err), g.Close())
	}
	return g, nil
}

// wireEnd is struct bpf_devmap_val of linux/bpf.h.
type wireEnd struct{ Index, Program uint32 }

// Sent is what a run of the generator did.
type Sent struct {
	Packets uint64        // that came to the receiver's end
	Lost    uint64        // of these, those that came while as many as a network card holds waited there
	Took    time.Duration // from the first packet to the last
}

// Rate returns packets a second.
func (s Sent) Rate() float64 { return float64(s.Packets) / s.Took.Seconds() }

// Send sends the next packets at a rate in packets a second; 0 is as fast as it
// goes, and then what finds the veth full is lost. A run that is interrupted goes on
// where it was.
func (g *Generator) Send(ctx context.Context, packets uint64, rate float64) (Sent, error) {
	state := programs.GeneratorProgress{Sequence: g.next, First: g.next, Limit: g.next + packets}
	if rate > 0 {
		state.Interval = uint64(1e12 / rate)
	}
	if err := g.objects.Run.Set(state); err != nil {
		return Sent{}, fmt.Errorf("start generator: %w", err)
	}
	options := ebpf.RunOptions{
		Data: g.frames.template(), Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, BatchSize: liveBatch,
	}
	for state.Sequence < state.Limit {
		if ctx.Err() != nil {
			return Sent{}, context.Cause(ctx)
		}
		// So few at a time that an interrupt of the benchmark is soon seen.
		options.Repeat = uint32(min(state.Limit-state.Sequence, chunk(rate)))
		err := g.lane.pair.A.Namespace.Do(func() error {
			return lab.OnCPU(generatorCPU, func() error { _, err := g.objects.Generate.Run(&options); return err })
		})
		if err != nil {
			return Sent{}, fmt.Errorf("run generator: %w", err)
		}
		if err := g.objects.Run.Get(&state); err != nil {
			return Sent{}, fmt.Errorf("read generator: %w", err)
		}
	}
	g.next = state.Limit
	return Sent{Packets: packets, Lost: state.Lost, Took: time.Duration(state.LastAt - state.FirstAt)}, nil
}

// chunk returns how many packets go in one system call: whole batches, of half a second.
func chunk(rate float64) uint64 {
	if rate == 0 {
		return 1 << 20
	}
	return max(uint64(rate/2)/liveBatch, 1) * liveBatch
}

// Close unloads the programs.
func (g *Generator) Close() error {
	var err error
	if g.handed != nil {
		err = g.handed.Close()
	}
	return errors.Join(err, g.objects.Close())
}
