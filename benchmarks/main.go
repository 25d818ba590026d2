// Command benchmarks measures xdpeel beside what people use today, on one
// machine: `go run ./benchmarks --quick --json -`. docs/benchmarks.md says what is
// measured and how to read it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

const usage = `usage: go run ./benchmarks [FLAGS]

Measures xdpeel beside tcpdump, dumpcap and programs that do nothing, in network
namespaces that are gone afterwards. Needs root, two CPUs and a quiet machine.

  go run ./benchmarks --quick --json -      the main figures, in less than a minute
  go run ./benchmarks                       all of them, with a report: some 45 minutes
  go run ./benchmarks --only filter,reload  these parts alone, as JSON on stdout

`

// options is what the command line says.
type options struct {
	quick     bool
	only      []string // names of parts; empty: all
	parts     []part   // these
	json      string
	report    string // empty: none is written
	directory string
	disk      string
	xdpeel    string
	before    string // another xdpeel; empty: none
	packets   uint64 // whose sums are looked at
	verbose   bool
}

func parse(args []string) (*options, error) {
	o := new(options)
	flags := pflag.NewFlagSet("benchmarks", pflag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage, flags.FlagUsages()) }
	flags.BoolVar(&o.quick, "quick", false, "only the main figures, in less than a minute")
	flags.StringSliceVar(&o.only, "only", nil, "measure these `parts` alone: "+strings.Join(partNames(), ", ")+"; no report unless --report is given")
	flags.StringVar(&o.json, "json", "", "write the results as JSON to this `file` too; - is stdout")
	flags.StringVar(&o.report, "report", "", "`directory` of the report and the raw results; of a full run benchmarks/report")
	flags.StringVar(&o.directory, "directory", "/dev/shm", "`directory` that captures are written to; a tmpfs, or the disk is measured")
	flags.StringVar(&o.disk, "disk", os.TempDir(), "`directory` on a disk, for the cost of writing there")
	flags.StringVar(&o.xdpeel, "xdpeel", "", "`path` of the xdpeel to measure; default: build it from this checkout")
	flags.StringVar(&o.before, "before", "", "`path` of another xdpeel, to compare what a capture costs with: of before a change")
	flags.Uint64Var(&o.packets, "packets", sumsPackets, "how many `packets` the daemon receives before its sums are looked at")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "say every trial on stderr")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if o.parts, err = choose(o.only); err != nil {
		return nil, err
	}
	o.complete()
	return o, nil
}

// complete says where the results go if the command line does not: those of a part
// of the benchmarks must not take the place of a whole report.
func (o *options) complete() {
	if o.report == "" && !o.quick && len(o.only) == 0 {
		o.report = "benchmarks/report"
	}
	if o.json == "" && o.report == "" {
		o.json = "-"
	}
}

func main() {
	began := time.Now()
	o, err := parse(os.Args[1:])
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks: error:", err)
		os.Exit(2)
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	err = run(ctx, o, began)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks: error:", err)
		os.Exit(1)
	}
}
