package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// sumsPackets is how many packets the daemon of a full run receives to see whether its
// sums hold; sumsAtOnce how many are sent between two looks at how far it is, and
// sumsPatience how long it has afterwards to write what it holds.
const (
	sumsPackets  = 100_000_000
	sumsAtOnce   = 1 << 20
	sumsReport   = 30 * time.Second // between two lines that say how far it is
	sumsPatience = 20 * time.Second
)

// sumsWorkload has a session for each thing that can become of a packet, and one more
// that the daemon does not know.
var sumsWorkload = Workload{Sizes: []int{64, 512, 64, 64, 1450}, Flows: 6000, Sessions: 6}

// sumsConfig is of the daemon; %[1]s is the interface, %[2]s the consumer's end and
// %[3]s the directory of files. The archive gets one packet in hundreds, so that all
// of its files can be read back.
const sumsConfig = `interfaces: [%[1]s]
mode: native
on_exit: detach
unknown_sessions: drop
sessions:
  - {vni: 12345, outputs: [ids]}
  - {vni: 12346, outputs: [archive], sample: {one_in: 500, by: packet}}
  - {vni: 12347, outputs: [archive, ids], sample: {one_in: 300, by: flow}, snaplen: 64}
  - {vni: 12348, outputs: [ids], filter: nothing}
  - {vni: 12349, outputs: [ids], filter: half}
filters:
  nothing: {expression: "tcp"}
  half: {expression: "udp src port 40000 and net 100.64.0.0/21"}
outputs:
  archive: {type: pcapng, path: %[3]s/%%Y%%m%%d-%%H%%M%%S.pcapng, rotate_size: 64MiB}
  ids: {type: veth, interface: %[1]sx, peer: %[2]s, mtu: 1500}
`

// sumsBench is a daemon at the end of a lane, sent more than it can take.
type sumsBench struct {
	teardown
	lane      *Lane
	generator *Generator
	daemon    *Daemon
	directory string // of the files
	consumer  string // the interface at which packets come out
	before    uint64 // that came out there before: the daemon's self-test
}

func newSumsBench(xdpeel, directory string) (_ *sumsBench, err error) {
	b := &sumsBench{directory: filepath.Join(directory, "sums")}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if err := os.MkdirAll(b.directory, 0o755); err != nil {
		return nil, err
	}
	if b.lane, err = NewLane(1500); err != nil {
		return nil, err
	}
	b.then(b.lane.Close)
	frames, err := NewFrames(sumsWorkload, b.lane.pair.B.MAC)
	if err != nil {
		return nil, err
	}
	if b.generator, err = NewGenerator(b.lane, frames); err != nil {
		return nil, err
	}
	b.then(b.generator.Close)
	b.consumer = strings.TrimSuffix(b.lane.pair.B.Name, "r") + "i"
	text := fmt.Sprintf(sumsConfig, b.lane.pair.B.Name, b.consumer, b.directory)
	if b.daemon, err = startDaemon(xdpeel, b.lane, b.directory, text); err != nil {
		return nil, err
	}
	b.then(b.daemon.Stop)
	handed, err := statisticsOf(b.lane.pair.B.Namespace, b.consumer)
	b.before = handed.RxPackets
	return b, err
}

func total(of map[string]uint64) (n uint64) {
	for v := range maps.Values(of) {
		n += v
	}
	return n
}

// sums are all that must hold when `sent` packets were sent, and nothing moves.
func (b *sumsBench) sums(sent uint64) (sums []equation, ledger daemonLedger, err error) {
	if ledger, err = b.daemon.ledger(); err != nil {
		return nil, ledger, err
	}
	wire, err := statisticsOf(b.lane.pair.A.Namespace, b.lane.pair.A.Name)
	if err != nil {
		return nil, ledger, err
	}
	arrived, err := statisticsOf(b.lane.pair.B.Namespace, b.lane.pair.B.Name)
	if err != nil {
		return nil, ledger, err
	}
	handed, err := statisticsOf(b.lane.pair.B.Namespace, b.consumer)
	if err != nil {
		return nil, ledger, err
	}
	written, err := countPackets(b.directory)
	if err != nil {
		return nil, ledger, err
	}
	sums = []equation{
		{"sent = on the wire + that found its queue full", sent, arrived.RxPackets + wire.TxDropped},
		{"on the wire = received", arrived.RxPackets, ledger.Received},
		{"received = all outcomes", ledger.Received, total(ledger.Outcomes)},
		{"ids delivered = came out of the veth", ledger.Outputs["ids"].Delivered, handed.RxPackets - b.before},
		{"archive delivered = in its files", ledger.Outputs["archive"].Delivered, written},
	}
	known := ledger.Outcomes["delivered"] + ledger.Outcomes["filtered"] + ledger.Outcomes["sampled_out"]
	var ofSessions uint64
	for _, session := range ledger.Sessions {
		ofSessions += session.Packets
	}
	sums = append(sums, equation{"delivered + filtered + sampled_out = of all sessions", known, ofSessions})
	for name, output := range ledger.Outputs {
		sums = append(sums, equation{name + " offered = delivered + lost", output.Offered, output.Delivered + total(output.Lost)})
	}
	return sums, ledger, nil
}

// countPackets reads all files back.
func countPackets(directory string) (packets uint64, err error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*.pcapng*"))
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		if err := readCapture(path, func([]byte) { packets++ }); err != nil {
			return 0, err
		}
	}
	return packets, nil
}

// measureSums sends packets to a daemon as fast as it goes until it has received so
// many, and adds its accounts up.
func measureSums(ctx context.Context, xdpeel, directory string, packets uint64) (_ []Result, err error) {
	b, err := newSumsBench(xdpeel, directory)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	var sent uint64
	said := time.Now()
	for arrived := uint64(0); arrived < packets; sent += sumsAtOnce {
		if _, err := b.generator.Send(ctx, sumsAtOnce, 0); err != nil {
			return nil, err
		}
		wire, err := statisticsOf(b.lane.pair.B.Namespace, b.lane.pair.B.Name)
		if err != nil {
			return nil, err
		}
		if arrived = wire.RxPackets; time.Since(said) > sumsReport {
			slog.Info("sums", "sent", sent, "received", arrived)
			said = time.Now()
		}
	}
	return b.settle(ctx, sent)
}

// settle waits until all sums hold, or sumsPatience is over.
func (b *sumsBench) settle(ctx context.Context, sent uint64) ([]Result, error) {
	for deadline := time.Now().Add(sumsPatience); ; time.Sleep(500 * time.Millisecond) {
		sums, ledger, err := b.sums(sent)
		if err != nil {
			return nil, err
		}
		missing, broken := unequal(sums)
		if missing > 0 && time.Now().Before(deadline) && ctx.Err() == nil {
			continue
		}
		result := figure("sums_missing", "packets by which any sum of the daemon's accounts is off", Lower, []float64{float64(missing)}).
			with("sent", float64(sent)).with("received", float64(ledger.Received))
		for outcome, n := range ledger.Outcomes {
			result = result.with(outcome, float64(n))
		}
		return []Result{result}, broken
	}
}
