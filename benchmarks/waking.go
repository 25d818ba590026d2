package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// wakingRate is in packets a second: few enough that the reader has nothing to do
// most of the time, and could be woken for each.
const wakingRate = 200_000

// wakingBench has xdpeel's reader wait for packets, of which few or many come.
type wakingBench struct {
	*tap
	packets atomic.Uint64
	arrived chan time.Time // of a batch, unless that of one before is still there
	ended   chan error
}

func newWakingBench() (*wakingBench, error) {
	t, err := newTap(mirror.TakeAll())
	if err != nil {
		return nil, err
	}
	b := &wakingBench{tap: t, arrived: make(chan time.Time, 1), ended: make(chan error, 1)}
	go func() { b.ended <- lab.OnCPU(receiverCPU, b.read) }()
	return b, nil
}

// read reads until the reader is stopped.
func (b *wakingBench) read() error {
	batch := mirror.NewBatch(mirror.BatchPackets, mirror.BatchBytes)
	for {
		batch.Reset()
		err := b.reader.Read(batch)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		now := time.Now()
		b.packets.Add(uint64(len(batch.Packets)))
		select {
		case b.arrived <- now:
		default:
		}
	}
}

// Close ends the reading and takes everything down.
func (b *wakingBench) Close() error {
	b.reader.Stop()
	return errors.Join(<-b.ended, b.tap.Close())
}

// load sends packets for a second and returns how many there were for a wakeup.
func (b *wakingBench) load(ctx context.Context) (float64, error) {
	generator, err := b.lane.generator(64)
	if err != nil {
		return 0, err
	}
	packets, wakeups := b.packets.Load(), b.reader.Wakeups()
	sent, err := generator.Send(ctx, wakingRate, wakingRate)
	if err := errors.Join(err, generator.Close()); err != nil {
		return 0, err
	}
	// What the rig lost, if anything, is not waited for long.
	for deadline := time.Now().Add(time.Second); b.packets.Load() < packets+sent.Packets && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	return float64(b.packets.Load()-packets) / float64(b.reader.Wakeups()-wakeups), nil
}

// deliver sends packets one by one to a reader that waits, and returns after how
// many milliseconds each came out.
func (b *wakingBench) deliver(ctx context.Context, packets int) (delays []float64, err error) {
	sender, err := lab.OpenSender(b.lane.pair.A.Namespace, b.lane.pair.A.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sender.Close()) }()
	frame, err := oneFrame(64)
	if err != nil {
		return nil, err
	}
	copy(frame, b.lane.pair.B.MAC)
	for range packets {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		time.Sleep(10 * time.Millisecond)
		select {
		case <-b.arrived: // of packets before
		default:
		}
		sent := time.Now()
		if err := sender.Send(frame); err != nil {
			return nil, err
		}
		select {
		case at := <-b.arrived:
			delays = append(delays, float64(at.Sub(sent).Microseconds())/1000)
		case <-time.After(startPatience):
			return nil, errors.New("a packet does not come out")
		}
	}
	return delays, nil
}

// idleShare returns what a daemon takes of a CPU that has no packets, in percent.
func idleShare(xdpeel string, idle time.Duration) (percent float64, err error) {
	lane, err := NewLane(1500)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lane.Close()) }()
	directory, err := os.MkdirTemp("", "xdpeel-bench")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	text := fmt.Sprintf("interfaces: [%s]\non_exit: detach\nhttp: 127.0.0.1:0\nsessions: [{vni: any}]\noutputs: {a: {type: pcapng, path: %s/a.pcapng}, live: {type: socket, path: %[2]s/live.sock}}\n",
		lane.pair.B.Name, directory)
	daemon, err := startDaemon(xdpeel, lane, directory, text)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, daemon.Stop()) }()
	time.Sleep(time.Second) // what it does at its beginning is not idling
	before, err := cpuTime(daemon.PID())
	if err != nil {
		return 0, err
	}
	time.Sleep(idle)
	after, err := cpuTime(daemon.PID())
	return 100 * float64(after-before) / float64(idle), err
}

// wakingPlan says how much is measured.
type wakingPlan struct {
	loads   int           // seconds of load
	packets int           // that come one by one
	idle    time.Duration // that a daemon is watched
}

// measureWaking measures how seldom the reader is woken under load, how soon a
// single packet comes out, and what a daemon takes that has nothing to do.
func measureWaking(ctx context.Context, xdpeel string, plan wakingPlan) (results []Result, err error) {
	bench, err := newWakingBench()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bench.Close()) }()
	var records []float64
	for range plan.loads {
		n, err := bench.load(ctx)
		if err != nil {
			return nil, err
		}
		records = append(records, n)
	}
	delays, err := bench.deliver(ctx, plan.packets)
	if err != nil {
		return nil, err
	}
	share, err := idleShare(xdpeel, plan.idle)
	if err != nil {
		return nil, err
	}
	delay := figure("idle_delivery_ms", "milliseconds from sending one packet to having read it", Lower, delays)
	longest := 0.0
	for _, d := range delays {
		longest = max(longest, d)
	}
	return []Result{
		figure("records_per_wakeup", fmt.Sprintf("records read for each wakeup, %d packets/s", wakingRate), Higher, records),
		delay.with("longest_ms", longest),
		figure("idle_cpu_percent", "percent of a CPU that a daemon without packets takes", Lower, []float64{share}),
	}, nil
}
