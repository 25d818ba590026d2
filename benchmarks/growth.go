package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/xdpeel/xdpeel/loader/tables"
	"github.com/xdpeel/xdpeel/mirror"
)

// GrowthPoint is what a packet costs, and a capture holds, at one point of a scale.
type GrowthPoint struct {
	Scale   string    `json:"scale"`          // what grows: "rules", "sessions", "flows", "bytes" of the inner frame, "cpus", "outputs"
	At      int       `json:"at"`             // how far
	Kernel  Quartiles `json:"kernel_cpu_ns"`  // a packet, up to the ring
	Process Quartiles `json:"process_cpu_ns"` // a packet, ring to file
	Memory  Memory    `json:"memory"`         // the most of all rounds
	Policy  int64     `json:"policy_bytes"`   // of the kernel, for the policy; 0: it does not grow with this
}

// growthRate is a rate that is lost by none of the growth trials, in packets a
// second; jumboRate is that of the frames that a packet socket sends.
const (
	growthRate = 200_000
	jumboRate  = 20_000
	growthTime = 500 * time.Millisecond
)

// growthScale is one thing that grows while the others stay.
type growthScale struct {
	name     string
	points   []int
	workload func(at int) Workload
	policy   func(at int) *mirror.Policy                                                // of VNIs alone; nil: everything is taken
	trial    func(ctx context.Context, xdpeel, directory string, at int) (Trial, error) // nil: one of a capture to a file
}

// growthScales are those that can be measured now. Frames of more than a page
// come through a packet socket, which costs the receiving side more.
var growthScales = []growthScale{
	{name: "sessions", points: []int{1, 10, 100, 1000, 10_000}, workload: func(n int) Workload {
		return Workload{Sizes: []int{64}, Flows: max(n, 1000), Sessions: n}
	}, policy: configuredSessions},
	{name: "flows", points: []int{1, 10, 100, 1000, 10_000, 100_000, 1_000_000}, workload: func(n int) Workload {
		return Workload{Sizes: []int{64}, Flows: n, Sessions: 1}
	}},
	{name: "bytes", points: []int{64, 128, 256, 512, 1024, 1450, 9001}, workload: func(n int) Workload {
		return Workload{Sizes: []int{n}, Flows: 1000, Sessions: 1}
	}},
	{name: "outputs", points: []int{1, 2, 4, 8}, trial: outputsTrials(growthRate)},
}

// configuredSessions returns the policy that names each session of a workload.
func configuredSessions(n int) *mirror.Policy {
	vnis := make([]uint32, n)
	for i := range vnis {
		vnis[i] = firstVNI + uint32(i)
	}
	return mirror.TakeVNIs(vnis)
}

// underPolicy has xdpeel take the sessions of a policy that names VNIs alone.
func underPolicy(xdpeel Contender, policy *mirror.Policy) Contender {
	command := xdpeel.command
	xdpeel.command = func(program, iface, path string) []string {
		args := command(program, iface, path)
		for _, session := range policy.Sessions {
			args = append(args, "--vni", fmt.Sprint(session.VNI))
		}
		return args
	}
	return xdpeel
}

// growthSeries are the rounds of one point.
type growthSeries struct {
	scale           growthScale
	at              int
	kernel, process []float64
	memory          Memory
	policy          int64 // bytes
}

// measureGrowth measures xdpeel at all points of a scale, round by round.
func measureGrowth(ctx context.Context, scale growthScale, xdpeel Contender, directory string, rounds int) (points []GrowthPoint, err error) {
	var all []*growthSeries
	for _, at := range scale.points {
		all = append(all, &growthSeries{scale: scale, at: at})
	}
	for range rounds {
		for _, series := range all {
			if err := series.round(ctx, xdpeel, directory); err != nil {
				return nil, fmt.Errorf("%d %s: %w", series.at, scale.name, err)
			}
		}
	}
	for _, s := range all {
		points = append(points, GrowthPoint{scale.name, s.at, quartiles(s.kernel), quartiles(s.process), s.memory, s.policy})
	}
	return points, nil
}

// round measures a point once.
func (g *growthSeries) round(ctx context.Context, xdpeel Contender, directory string) error {
	try := g.capture
	if g.scale.trial != nil {
		try = func(ctx context.Context, xdpeel Contender, directory string) (Trial, error) {
			return g.scale.trial(ctx, xdpeel.Program, directory, g.at)
		}
	}
	trial, err := try(ctx, xdpeel, directory)
	if err != nil {
		return err
	}
	if trial.Received == 0 {
		return errors.New("not a packet arrived")
	}
	g.kernel = append(g.kernel, float64(trial.Kernel.Nanoseconds())/float64(trial.Received))
	g.process = append(g.process, float64(trial.Process.Nanoseconds())/float64(trial.Received))
	g.memory.Resident, g.memory.Maps = max(g.memory.Resident, trial.Memory.Resident), max(g.memory.Maps, trial.Memory.Maps)
	slog.Debug("growth", "scale", g.scale.name, "at", g.at, "kernel", trial.Kernel, "process", trial.Process, "lost", trial.Lost())
	return nil
}

// capture tries a capture to one file.
func (g *growthSeries) capture(ctx context.Context, xdpeel Contender, directory string) (_ Trial, err error) {
	workload := g.scale.workload(g.at)
	if g.scale.policy != nil {
		policy := g.scale.policy(g.at)
		image, err := tables.Compile(policy, 1)
		if err != nil {
			return Trial{}, err
		}
		g.policy = int64(len(image.Regions()) * tables.RegionBytes)
		xdpeel = underPolicy(xdpeel, policy)
	}
	stand, err := NewStand(xdpeel, workload, directory)
	if err != nil {
		return Trial{}, err
	}
	defer func() { err = errors.Join(err, stand.Close()) }()
	rate := float64(growthRate)
	if stand.jumbo {
		rate = jumboRate
	}
	// Each flow has its turn at least once.
	duration := max(growthTime, time.Duration(float64(workload.Flows)/rate*1e9))
	return stand.Try(ctx, rate, duration)
}
