// Command run has judges judge the same frames until a time or a number is
// reached, or until they disagree: then it prints the frame, what each says of
// it and how to ask again, and exits with 1.
//
//	go run ./judges/run -duration 1m -seed 7 -judges native,mirror,kernel
//	go run ./judges/run -seed 7 -first 1234 -frames 1     # sequence 1234 again
//	go run ./judges/run -replay DIRECTORY                 # of the fuzzer's inputs
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/judges"
	"github.com/xdpeel/xdpeel/lab/checkout"
)

type options struct {
	campaign judges.Campaign
	names    []string
	replay   string
	export   string
	exported int
	fuzzer   string
}

func parseFlags() options {
	var o options
	names := flag.String("judges", "native,mirror", "comma-separated `list` of "+strings.Join(judges.Names, ", "))
	flag.Uint64Var(&o.campaign.Seed, "seed", 1, "seed of the generator")
	flag.Uint64Var(&o.campaign.First, "first", 0, "number of the first sequence")
	flag.Uint64Var(&o.campaign.Frames, "frames", 0, "frames to judge, in whole sequences (default: as the duration allows)")
	flag.DurationVar(&o.campaign.Duration, "duration", 0, "time to judge for (default 10s, without end if -frames is given)")
	flag.IntVar(&o.campaign.Workers, "workers", runtime.NumCPU(), "panels that work side by side")
	flag.StringVar(&o.replay, "replay", "", "judge the sequences in this `directory` instead")
	flag.StringVar(&o.export, "export", "", "write sequences into this `directory` instead, to fuzz from")
	flag.IntVar(&o.exported, "sequences", 200, "how many of them")
	flag.StringVar(&o.fuzzer, "build-fuzzer", "", "compile the libFuzzer program into this `directory` instead")
	flag.Parse()
	if o.campaign.Duration == 0 && o.campaign.Frames == 0 {
		o.campaign.Duration = 10 * time.Second
	}
	o.names = strings.Split(*names, ",")
	o.campaign.Shortest = judges.Shortest(o.names)
	return o
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, parseFlags()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.export != "" {
		return judges.Export(o.export, o.campaign.Seed, o.exported)
	}
	root, err := checkout.Root()
	if err != nil {
		return err
	}
	if o.fuzzer != "" {
		_, err := judges.BuildFuzzer(root, o.fuzzer)
		return err
	}
	server := ""
	if slices.Contains(o.names, "native") {
		directory, err := os.MkdirTemp("", "judges")
		if err != nil {
			return err
		}
		defer os.RemoveAll(directory)
		if server, err = judges.BuildServer(root, directory, judges.Addresses); err != nil {
			return err
		}
	}
	if o.replay != "" {
		return replay(ctx, o, server)
	}
	o.campaign.Open = func() (*judges.Panel, error) { return judges.Open(o.names, server) }
	result, err := o.campaign.Run(ctx)
	printResult(&result)
	return err
}

// replay has every file of a directory judged.
func replay(ctx context.Context, o options, server string) error {
	paths, err := filepath.Glob(filepath.Join(o.replay, "*"))
	if err != nil {
		return err
	}
	panel, err := judges.Open(o.names, server)
	if err != nil {
		return err
	}
	defer panel.Close()
	frames := 0
	for _, path := range paths {
		if ctx.Err() != nil {
			break
		}
		n, err := panel.Replay(path, o.campaign.Shortest)
		if err != nil {
			return err
		}
		frames += n
	}
	fmt.Printf("%d frames of %d files: the judges agree\n", frames, len(paths))
	return nil
}

func printResult(r *judges.Result) {
	fmt.Printf("%d frames in %d sequences, %d sessions, %d packets with a direction, %.0f frames/s\n",
		r.Frames, r.Sequences, r.Sessions, r.Directed, float64(r.Frames)/r.Took.Seconds())
	for outcome, n := range r.Outcomes {
		fmt.Printf("  %-17s %d\n", abi.Outcome(outcome), n)
	}
}
