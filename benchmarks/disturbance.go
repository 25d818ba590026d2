package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/xdpeel/xdpeel/lab"
)

// Disturbance says how far the machine was somebody else's. A virtual machine
// cannot see its neighbours: it stands still meanwhile, and all clocks but the
// wall's may stand with it.
type Disturbance struct {
	GeneratorLost float64 `json:"generator_lost_percent"` // of the generator's CPU; see lostShare
	ReceiverLost  float64 `json:"receiver_lost_percent"`
	DD            float64 `json:"dd_ns_per_byte"` // of CPU, to the captures' directory
}

const (
	// settleTime is how long the kernel may go on removing what it was asked to remove.
	settleTime = time.Second
	// disturbanceTime is how long the CPUs are watched.
	disturbanceTime = 500 * time.Millisecond
	// pause is a step of the clock that no interrupt of the machine's own explains.
	pause = 20 * time.Microsecond
	// disturbed is from which share on, in percent, figures are not to be trusted.
	disturbed = 1
)

// measureDisturbance watches both CPUs, and says so if they are not ours.
func measureDisturbance(ctx context.Context, directory string) (d Disturbance, err error) {
	time.Sleep(settleTime)
	var both sync.WaitGroup
	var errs [2]error
	both.Go(func() { d.GeneratorLost, errs[0] = lostShare(generatorCPU) })
	both.Go(func() { d.ReceiverLost, errs[1] = lostShare(receiverCPU) })
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return d, err
	}
	if d.DD, err = ddCost(ctx, directory); err != nil {
		return d, err
	}
	if max(d.GeneratorLost, d.ReceiverLost) > disturbed {
		slog.Warn("something else takes time from these CPUs: expect results to scatter, and rates without loss to be low",
			"generator_lost_percent", d.GeneratorLost, "receiver_lost_percent", d.ReceiverLost)
	}
	return d, nil
}

// lostShare returns what of a CPU's time, in percent, a loop that does nothing but read
// the clock did not have.
func lostShare(cpu int) (percent float64, err error) {
	err = lab.OnCPU(cpu, func() error {
		var lost time.Duration
		began := time.Now()
		for last := began; last.Sub(began) < disturbanceTime; {
			now := time.Now()
			if step := now.Sub(last); step > pause {
				lost += step
			}
			last = now
		}
		percent = 100 * lost.Seconds() / time.Since(began).Seconds()
		return nil
	})
	return percent, err
}
