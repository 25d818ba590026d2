package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// hostFrame is a packet of the host's own traffic: TCP to port 22.
func hostFrame() []byte {
	return frames.TCPFrame(
		frames.Peer{MAC: routerMAC, Address: netip.MustParseAddr("198.51.100.23"), Port: 51034},
		frames.Peer{MAC: hostMAC, Address: target, Port: 22}, frames.Payload(64))
}

// passBench measures what the host's own traffic pays for xdpeel.
type passBench struct {
	ns      *lab.Namespace
	product *Product
	stages  *Stages
	packets uint32
}

// comparePass runs the host's packets through xdpeel and through a program that
// passes everything, up to where the network stack drops them.
func comparePass(ctx context.Context, pairs int) (_ []Result, err error) {
	b := &passBench{packets: 100_000}
	if b.ns, err = lab.NewNamespace("xdpeel-bench-pass"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.ns.Close()) }()
	if b.product, err = LoadProduct(OwnRings, mirror.TakeAll()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.product.Close()) }()
	if b.stages, err = LoadStages(mirror.TakeAll(), programs.StagesProgNoop); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stages.Close()) }()

	var xdpeel, noop, again []float64
	for range pairs {
		for _, side := range []struct {
			run  func() (time.Duration, error)
			into *[]float64
		}{{b.runXdpeel, &xdpeel}, {b.runNoop, &noop}, {b.runNoop, &again}} {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			took, err := side.run()
			if err != nil {
				return nil, err
			}
			*side.into = append(*side.into, float64(b.packets)/took.Seconds())
		}
	}
	alone, err := b.programsAlone()
	if err != nil {
		return nil, err
	}
	result := compare("pass_vs_noop", "packets/s of host traffic, ratio", Higher, xdpeel, noop).
		with("xdpeel_packets_per_second", median(xdpeel)).with("noop_packets_per_second", median(noop)).
		with("xdpeel_program_ns", alone.xdpeel).with("noop_program_ns", alone.noop)
	return []Result{result, compare("noise_floor_live_frames", "noop against itself, ratio", Higher, again, noop)}, nil
}

func (b *passBench) runXdpeel() (time.Duration, error) {
	return b.product.run(b.ns, hostFrame(), b.packets, abi.OutcomeHost)
}

func (b *passBench) runNoop() (time.Duration, error) {
	return b.stages.run(b.ns, programs.StagesProgNoop, hostFrame(), b.packets)
}

// alone is what the programs cost without the stack, nanoseconds a packet.
type alone struct{ xdpeel, noop float64 }

// programsAlone has the kernel run the programs over one frame again and again,
// which is right for a program that changes nothing in it.
func (b *passBench) programsAlone() (alone, error) {
	measure := func(program *ebpf.Program) (float64, error) {
		var costs []float64
		for range 5 {
			options := ebpf.RunOptions{Data: hostFrame(), Repeat: 1_000_000}
			began, err := threadTime()
			if err != nil {
				return 0, err
			}
			if _, err := program.Run(&options); err != nil {
				return 0, fmt.Errorf("run program: %w", err)
			}
			ended, err := threadTime()
			if err != nil {
				return 0, err
			}
			costs = append(costs, float64((ended-began).Nanoseconds())/1e6)
		}
		return median(costs), nil
	}
	var a alone
	err := lab.OnCPU(receiverCPU, func() (err error) {
		if a.xdpeel, err = measure(b.product.objects.Xdpeel); err != nil {
			return err
		}
		a.noop, err = measure(b.stages.loaded.Programs[programs.StagesProgNoop])
		return err
	})
	return a, err
}
