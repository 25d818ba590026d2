package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/xdpeel/xdpeel/loader"
)

// vxlanName is the result's, and a part of that of its noise floor.
const vxlanName = "kernel_vxlan"

// vxlanLoad is what a side is sent in a turn: packets that warm everything up, and
// packets that count.
type vxlanLoad struct {
	rate          float64 // packets a second
	warm, packets uint64
}

// vxlanPace is a load that both sides take.
var vxlanPace = vxlanLoad{400_000, redirectWarm, 100_000}

// vxlanPatience is how long no more packets come to the reader before what is missing
// is given up.
const vxlanPatience = 5 * time.Second

// vxlanSide is what takes the wrapping off, xdpeel or the kernel, on a lane of its own,
// and a reader that counts what comes out.
type vxlanSide struct {
	teardown
	name      string
	lane      *Lane
	generator *Generator
	counter   *packetCounter
	rates     []float64 // packets for each second of the receiver's CPU
}

// compareVXLAN compares xdpeel, which redirects into a veth, with the kernel's vxlan
// device, and xdpeel with itself. The reader is the same.
func compareVXLAN(ctx context.Context, mix Mix, load vxlanLoad, pairs int) (_ []Result, err error) {
	sides := []*vxlanSide{{name: "xdpeel"}, {name: "kernel"}, {name: "again"}}
	defer func() {
		for _, side := range sides {
			err = errors.Join(err, side.Close())
		}
	}()
	for _, side := range sides {
		setUp := side.setUpXdpeel
		if side.name == "kernel" {
			setUp = side.setUpKernel
		}
		if err := setUp(mix.Sizes[0]); err != nil {
			return nil, fmt.Errorf("set %s up: %w", side.name, err)
		}
	}
	for range pairs {
		for _, side := range sides {
			if err := side.turn(ctx, load); err != nil {
				return nil, fmt.Errorf("measure %s: %w", side.name, err)
			}
		}
	}
	xdpeel, kernel, again := sides[0], sides[1], sides[2]
	unit := fmt.Sprintf("packets to a reader for each second of the receiving CPU, ratio; %s, %.0f packets/s", mix, load.rate)
	return []Result{
		compare(captureName(vxlanName, mix, 0), unit, Higher, xdpeel.rates, kernel.rates).
			with("xdpeel_packets_per_cpu_second", median(xdpeel.rates)).with("kernel_packets_per_cpu_second", median(kernel.rates)),
		compare(captureName("noise_floor_"+vxlanName, mix, 0), unit, Higher, again.rates, xdpeel.rates),
	}, nil
}

// setUpXdpeel has xdpeel's program send all that arrives into a veth, at the other end
// of which is the reader.
func (s *vxlanSide) setUpXdpeel(size int) error {
	bench, err := newRedirectBench(size)
	if err != nil {
		return err
	}
	s.then(bench.Close)
	s.lane, s.generator = bench.lane, bench.generator
	err = s.lane.pair.B.Namespace.Do(func() error {
		if err := bench.program.SetPolicy(redirectPolicy(0)); err != nil {
			return err
		}
		attached, err := bench.program.Attach(s.lane.pair.B.Name, loader.ModeNative)
		if err == nil {
			s.then(attached.Close)
		}
		return err
	})
	if err != nil {
		return err
	}
	if s.counter, err = newPacketCounter(bench.consumer, redirectPeer, size); err != nil {
		return err
	}
	s.then(s.counter.Close)
	return nil
}

// setUpKernel has the kernel's vxlan device take the wrapping off, and the reader there.
func (s *vxlanSide) setUpKernel(size int) (err error) {
	if s.lane, err = NewLane(1500); err != nil {
		return err
	}
	s.then(s.lane.Close)
	if err := prepareVXLAN(s.lane); err != nil {
		return err
	}
	if s.generator, err = s.lane.generator(size); err != nil {
		return err
	}
	s.then(s.generator.Close)
	if s.counter, err = newPacketCounter(s.lane.pair.B.Namespace, vxlanDevice, size); err != nil {
		return err
	}
	s.then(s.counter.Close)
	return nil
}

// turn sends packets, and divides those that came to the reader by the CPU time of
// the kernel's threads and of the reader's.
func (s *vxlanSide) turn(ctx context.Context, load vxlanLoad) error {
	threads, err := s.pinned()
	if err != nil {
		return err
	}
	if _, err := s.send(ctx, load.warm, load.rate); err != nil {
		return err
	}
	before, err := s.used(threads)
	if err != nil {
		return err
	}
	came, err := s.send(ctx, load.packets, load.rate)
	if err != nil {
		return err
	}
	after, err := s.used(threads)
	if err != nil {
		return err
	}
	slog.Debug("vxlan", "side", s.name, "sent", load.packets, "came", came, "cpu", after-before)
	if came < load.packets*9/10 {
		return fmt.Errorf("%d of %d packets came to the reader: this machine has too much else to do", came, load.packets)
	}
	s.rates = append(s.rates, float64(came)/(after-before).Seconds())
	return nil
}

// send sends packets, and returns how many have come to the reader once it has all that
// were not lost on the wire, or no more come.
func (s *vxlanSide) send(ctx context.Context, packets uint64, rate float64) (came uint64, err error) {
	begin := s.counter.packets.Load()
	sent, err := s.generator.Send(ctx, packets, rate)
	if err != nil {
		return 0, err
	}
	want := packets - sent.Lost
	for since := time.Now(); came < want && time.Since(since) < vxlanPatience; time.Sleep(time.Millisecond) {
		if now := s.counter.packets.Load() - begin; now != came {
			came, since = now, time.Now()
		}
	}
	return came, nil
}

// pinned returns the kernel's threads that work for the side: what the NAPI thread does
// not get done, behind the program or the tunnel, the softirq's thread does.
func (s *vxlanSide) pinned() ([]int, error) {
	threads, err := s.lane.pinNAPI()
	if err != nil {
		return nil, err
	}
	more, err := threadsNamed(fmt.Sprintf("ksoftirqd/%d\n", receiverCPU))
	return append(threads, more...), err
}

// used returns the CPU time of the reader and of threads, so far.
func (s *vxlanSide) used(threads []int) (total time.Duration, err error) {
	if total, err = threadTimeOf(s.counter.thread); err != nil {
		return 0, err
	}
	for _, thread := range threads {
		used, err := cpuTime(thread)
		if err != nil {
			return 0, err
		}
		total += used
	}
	return total, nil
}
