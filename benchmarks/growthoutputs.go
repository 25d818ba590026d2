package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// outputsConfig is of a daemon, on the interface %[1]s, all of whose outputs take every
// packet; their lines are %[2]s. What waits for them has room for all of a trial.
const outputsConfig = `interfaces: [%[1]s]
mode: native
on_exit: detach
buffer: 512MiB
sessions: [{vni: any}]
outputs:
%[2]s`

// outputsTrials returns what sends packets, so many a second, to a daemon with so many
// files, each of which gets all of them, and looks at every file's sums.
func outputsTrials(rate float64) func(ctx context.Context, xdpeel, directory string, outputs int) (Trial, error) {
	return func(ctx context.Context, xdpeel, directory string, outputs int) (Trial, error) {
		return outputsTrial(ctx, xdpeel, directory, outputs, rate)
	}
}

func outputsTrial(ctx context.Context, xdpeel, directory string, outputs int, rate float64) (trial Trial, err error) {
	directory, err = os.MkdirTemp(directory, "outputs-")
	if err != nil {
		return trial, fmt.Errorf("make directory for outputs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	lane, err := NewLane(1500)
	if err != nil {
		return trial, err
	}
	defer func() { err = errors.Join(err, lane.Close()) }()
	generator, err := lane.generator(small.Sizes...)
	if err != nil {
		return trial, err
	}
	defer func() { err = errors.Join(err, generator.Close()) }()
	var lines strings.Builder
	for n := range outputs {
		fmt.Fprintf(&lines, "  file%d: {type: pcapng, path: %q}\n", n, filepath.Join(directory, fmt.Sprintf("%d.pcapng", n)))
	}
	daemon, err := startDaemon(xdpeel, lane, directory, fmt.Sprintf(outputsConfig, lane.pair.B.Name, lines.String()))
	if err != nil {
		return trial, err
	}
	trial, ledger, err := feedDaemon(ctx, daemon, lane, generator, rate)
	if err := errors.Join(err, daemon.Stop()); err != nil {
		return trial, err
	}
	return trial, checkOutputs(ledger, trial.Received, outputs, directory)
}

// feedDaemon sends packets for growthTime, and returns what they cost and the
// daemon's accounts once it has nothing left to do.
func feedDaemon(ctx context.Context, daemon *Daemon, lane *Lane, generator *Generator, rate float64) (trial Trial, ledger daemonLedger, err error) {
	threads, err := lane.pinNAPI()
	if err != nil {
		return trial, ledger, err
	}
	meter, err := newMeter(daemon.PID(), threads)
	if err != nil {
		return trial, ledger, err
	}
	sent, err := generator.Send(ctx, uint64(rate*growthTime.Seconds()), rate)
	if err != nil {
		return trial, ledger, err
	}
	trial.Sent, trial.Offered, trial.Rate, trial.Wall = sent.Packets, rate, sent.Rate(), sent.Took
	if _, err := meter.awaitQuiet(ctx); err != nil {
		return trial, ledger, err
	}
	if trial.Process, trial.Kernel, err = meter.used(); err != nil {
		return trial, ledger, err
	}
	if trial.Memory, err = memoryOf(daemon.PID()); err != nil {
		return trial, ledger, err
	}
	ledger, err = daemon.ledger()
	trial.Received = ledger.Outcomes["delivered"]
	return trial, ledger, err
}

// checkOutputs says whether each output was offered, and has, every packet.
func checkOutputs(ledger daemonLedger, packets uint64, outputs int, directory string) error {
	written, err := countPackets(directory)
	if err != nil {
		return err
	}
	sums := []equation{
		{"outputs = of the daemon", uint64(outputs), uint64(len(ledger.Outputs))},
		{"packets of all files = of all outputs", written, packets * uint64(outputs)},
	}
	for name, output := range ledger.Outputs {
		sums = append(sums, equation{name + " offered = taken", output.Offered, packets},
			equation{name + " delivered = offered", output.Delivered, output.Offered})
	}
	_, err = unequal(sums)
	return err
}
