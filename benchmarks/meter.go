package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// meter reads the CPU time of a contender's process and of the NAPI threads that
// feed it.
type meter struct {
	pid             int
	threads         []int
	process, kernel time.Duration // at the beginning
}

func newMeter(pid int, threads []int) (*meter, error) {
	m := &meter{pid: pid, threads: threads}
	var err error
	m.process, m.kernel, err = m.used()
	return m, err
}

// used returns the CPU time since the beginning.
func (m *meter) used() (process, kernel time.Duration, err error) {
	if process, err = cpuTime(m.pid); err != nil {
		return 0, 0, err
	}
	for _, thread := range m.threads {
		t, err := cpuTime(thread)
		if err != nil {
			return 0, 0, err
		}
		kernel += t
	}
	return process - m.process, kernel - m.kernel, nil
}

// A receiver that for so long uses no CPU time, and wants none, has nothing left to do.
const quietTime = 12 * time.Millisecond

// quietPatience is how long a receiver may take for what it was sent.
const quietPatience = 30 * time.Second

// awaitQuiet waits until the receiver has nothing to do, and returns the time
// (CLOCK_MONOTONIC) since when.
func (m *meter) awaitQuiet(ctx context.Context) (time.Duration, error) {
	began, err := now()
	if err != nil {
		return 0, err
	}
	var last time.Duration
	since := began
	for {
		process, kernel, err := m.used()
		if err != nil {
			return 0, err
		}
		current, err := now()
		if err != nil {
			return 0, err
		}
		runnable, err := isRunnable(m.pid)
		if err != nil {
			return 0, err
		}
		if process+kernel != last || runnable {
			last, since = process+kernel, current
		}
		switch {
		case current-since > quietTime:
			return since, nil
		case current-began > quietPatience:
			return 0, fmt.Errorf("receiver is still busy after %s", quietPatience)
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		}
		time.Sleep(time.Millisecond)
	}
}

func now() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0, fmt.Errorf("read clock: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
