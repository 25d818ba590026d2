package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// Feeder sends the packets of a workload.
type Feeder interface {
	// Send sends the next packets at a rate in packets a second; 0 is as fast as it goes.
	Send(ctx context.Context, packets uint64, rate float64) (Sent, error)
	Close() error
}

// Stand is a contender on a lane of its own, ready for trials.
type Stand struct {
	Contender
	lane      *Lane
	frames    *Frames
	jumbo     bool    // frames are too long for the generator
	directory string  // for capture files
	limit     float64 // packets a second that the generator can do, once estimated
}

// NewStand sets a contender up for a workload. The caller closes it.
func NewStand(c Contender, w Workload, directory string) (_ *Stand, err error) {
	s := &Stand{Contender: c, jumbo: w.isJumbo(), directory: directory}
	mtu := 1500
	if s.jumbo {
		mtu = jumboMTU
	}
	if s.lane, err = NewLane(mtu); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := c.prepare(s.lane); err != nil {
		return nil, err
	}
	if s.frames, err = NewFrames(w, s.lane.pair.B.MAC); err != nil {
		return nil, err
	}
	return s, nil
}

// Close removes the lane.
func (s *Stand) Close() error { return s.lane.Close() }

// newFeeder returns one that begins with packet 0.
func (s *Stand) newFeeder() (Feeder, error) {
	if s.jumbo {
		return newJumboSender(s.lane, s.frames)
	}
	return NewGenerator(s.lane, s.frames)
}

// Trial is what came of one run of a contender at one rate.
type Trial struct {
	Account
	Offered float64       `json:"offered_packets_per_second"` // what was asked for
	Rate    float64       `json:"reached_packets_per_second"` // what the generator did send
	Wall    time.Duration `json:"wall_ns"`                    // from the first packet sent to the last
	Drain   time.Duration `json:"drain_ns"`                   // from then until the receiver had nothing to do
	Kernel  time.Duration `json:"kernel_cpu_ns"`              // CPU time of the NAPI threads
	Process time.Duration `json:"process_cpu_ns"`             // CPU time of the contender's process
	Memory  Memory        `json:"memory"`                     // of the process, when it had taken all packets
}

// CPUPerPacket returns the CPU time of the whole receiving side for a packet.
func (t Trial) CPUPerPacket() time.Duration {
	return (t.Kernel + t.Process) / time.Duration(max(t.Received, 1))
}

// Try runs the contender once, for a time at a rate in packets a second.
func (s *Stand) Try(ctx context.Context, rate float64, duration time.Duration) (_ Trial, err error) {
	path := filepath.Join(s.directory, s.lane.pair.B.Name+".capture")
	defer os.Remove(path)
	process, err := StartProcess(s.lane.pair.B.Namespace, s.command(s.Program, cmp.Or(s.Device, s.lane.pair.B.Name), path), s.Ready)
	if err != nil {
		return Trial{}, err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, process.Stop())
		}
	}()
	threads, err := s.lane.pinNAPI()
	if err != nil {
		return Trial{}, err
	}
	trial := Trial{Offered: rate}
	if err := s.feed(ctx, &trial, duration, process.PID(), threads); err != nil {
		return Trial{}, err
	}
	stopped = true
	if err := process.Stop(); err != nil {
		return Trial{}, err
	}
	trial.Account, err = audit(path, s.frames, trial.Sent, s.Outer)
	if err != nil {
		return Trial{}, err
	}
	return trial, trial.Check()
}

// tail is what goes behind the packets that count, slowly, so that the kernel
// hands the contender the block that these are in: libpcap waits for a full one
// for up to a second.
const (
	tailPackets = 3000
	tailRate    = 100_000
)

// feed sends packets to a contender that runs.
func (s *Stand) feed(ctx context.Context, trial *Trial, duration time.Duration, pid int, threads []int) (err error) {
	feeder, err := s.newFeeder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, feeder.Close()) }()
	meter, err := newMeter(pid, threads)
	if err != nil {
		return err
	}
	sent, err := feeder.Send(ctx, uint64(trial.Offered*duration.Seconds()), trial.Offered)
	if err != nil {
		return err
	}
	end, err := now()
	if err != nil {
		return err
	}
	trial.Sent, trial.Rate, trial.Wall = sent.Packets, sent.Rate(), sent.Took
	quiet, err := meter.awaitQuiet(ctx)
	if err != nil {
		return err
	}
	trial.Drain = max(quiet-end, 0)
	if trial.Process, trial.Kernel, err = meter.used(); err != nil {
		return err
	}
	if trial.Memory, err = memoryOf(pid); err != nil {
		return err
	}
	if _, err := feeder.Send(ctx, tailPackets, min(tailRate, trial.Offered)); err != nil {
		return err
	}
	_, err = meter.awaitQuiet(ctx)
	return err
}
