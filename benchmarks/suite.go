package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// suite is one run of the benchmarks.
type suite struct {
	*options
	began time.Time
	output
	failures []error
}

// output is what a run brings forth.
type output struct {
	Machine  Machine       `json:"machine"`
	Took     float64       `json:"seconds"`
	Results  []Result      `json:"results"`
	Captures []Measurement `json:"captures"`
	Stages   []StageCost   `json:"stages,omitempty"`
	Growth   []GrowthPoint `json:"growth,omitempty"`
}

// run measures, and writes what came out, even if a part of it failed; but
// nothing if it was interrupted.
func run(ctx context.Context, o *options, began time.Time) (err error) {
	if os.Getuid() != 0 {
		return errors.New("needs root: it makes network namespaces and loads programs into the kernel")
	}
	if runtime.NumCPU() < 2 {
		return errors.New("needs two CPUs: one generates packets, the other receives them")
	}
	s := &suite{options: o, began: began}
	s.Results = []Result{} // also if there are none
	s.Machine = describeMachine()
	directory, err := os.MkdirTemp(o.directory, "xdpeel-bench-")
	if err != nil {
		return fmt.Errorf("make directory for captures: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	s.directory = directory
	if s.xdpeel == "" && slices.ContainsFunc(o.parts, func(p part) bool { return p.runs }) {
		s.xdpeel = filepath.Join(directory, "xdpeel")
		if err := buildXdpeel(ctx, s.xdpeel); err != nil {
			return err
		}
	}
	if err := pinSelf(); err != nil {
		return err
	}
	defer stayAwake().Close()
	restore, err := clearReceiver()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	if s.Machine.Before, err = measureDisturbance(ctx, directory); err != nil {
		return err
	}
	s.measure(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.Machine.After, err = measureDisturbance(ctx, directory); err != nil {
		return err
	}
	s.Took = time.Since(began).Seconds()
	return errors.Join(append(s.failures, s.write())...)
}

// buildXdpeel builds the xdpeel of the checkout that the benchmarks run in, with
// the same settings, so that little has to be compiled.
func buildXdpeel(ctx context.Context, path string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/xdpeel/xdpeel/cmd/xdpeel")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build xdpeel: %w: %s", err, out)
	}
	return nil
}

// measure runs the parts that are wanted.
func (s *suite) measure(ctx context.Context) {
	for _, p := range s.parts {
		switch {
		case !s.quick:
			p.full(s, ctx)
		case p.quick != nil:
			p.quick(s, ctx)
		}
	}
}

// onlyFull is why a quick run has no figure.
const onlyFull = "only the full run measures it: leave out --quick"

// attempt runs one thing to measure. What fails is listed under its name, and the rest goes on.
func (s *suite) attempt(ctx context.Context, name string, measure func() ([]Result, error)) {
	if ctx.Err() != nil {
		return
	}
	slog.Info("measure", "part", name, "after", time.Since(s.began).Round(time.Millisecond))
	results, err := measure()
	s.Results = append(s.Results, results...)
	if err != nil {
		s.failures = append(s.failures, fmt.Errorf("%s: %w", name, err))
		s.Results = append(s.Results, unmeasured(name, err.Error()))
	}
}

// quickCaptures compares xdpeel with the two that most people use, once; with full
// packets, whose captures take longer, only with the faster one.
func (s *suite) quickCaptures(ctx context.Context) {
	plan := CapturePlan{
		Directory: s.directory, Trial: 200 * time.Millisecond, Rounds: 1,
		Search: Search{Step: 1.3, Precision: 0.07, Attempts: 2, MaxTrials: 5},
	}
	contenders := capturers(s.xdpeel)
	for _, part := range []struct {
		mix      Mix
		measured int // of the contenders
	}{{small, 3}, {full, 2}} {
		plan.Mix, plan.Contenders = part.mix, contenders[:part.measured]
		s.attempt(ctx, captureName("capture", part.mix, 0), func() ([]Result, error) { return s.capture(ctx, plan) })
		for _, other := range contenders[part.measured:] {
			s.Results = append(s.Results, unmeasured(captureName(other.comparedBy("capture"), part.mix, 0), onlyFull))
		}
		s.Results = append(s.Results, unmeasured(captureName("noise_floor_capture", part.mix, 0), onlyFull))
	}
	s.Results = append(s.Results, s.xdpdumpReason(onlyFull)...)
}

// fullCaptures compares all contenders.
func (s *suite) fullCaptures(ctx context.Context) {
	contenders := capturers(s.xdpeel)
	contenders = append(contenders, xdpdump(), contenders[0].again())
	plan := CapturePlan{
		Contenders: contenders, Directory: s.directory, Trial: 400 * time.Millisecond,
		Search: Search{Step: 1.2, Precision: 0.03, Attempts: 2, Confirmations: 1, MaxTrials: 12},
	}
	for _, part := range fullCaptureParts {
		plan.Mix, plan.Loss, plan.Rounds, plan.Until = part.mix, part.loss, part.rounds, time.Now().Add(part.patience)
		s.attempt(ctx, captureName("capture", plan.Mix, plan.Loss), func() ([]Result, error) { return s.capture(ctx, plan) })
	}
}

// fullCaptureParts are what captures are compared by. On a machine that is not
// quiet rounds take longer; then they become fewer.
var fullCaptureParts = []struct {
	mix      Mix
	loss     float64
	rounds   int
	patience time.Duration
}{
	{small, 0, fullPairs, 7 * time.Minute},
	{full, 0, fullPairs, 7 * time.Minute},
	{imix, 0, fullPairs, 6 * time.Minute},
	{small, lossAllowed, fullPairs, 6 * time.Minute},
	{full, lossAllowed, fullPairs, 6 * time.Minute},
}

// write writes the JSON and the report, as far as they are wanted.
func (s *suite) write() error {
	text, err := json.MarshalIndent(&s.output, "", "  ")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	text = append(text, '\n')
	switch s.json {
	case "":
	case "-":
		_, err = os.Stdout.Write(text)
	default:
		err = os.WriteFile(s.json, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if s.report == "" {
		return nil
	}
	return writeReport(s.report, &s.output, text)
}
