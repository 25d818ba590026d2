package lab

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// OnCPU runs f on a thread that is pinned to a CPU meanwhile. Processes that f starts
// stay there.
func OnCPU(cpu int, f func() error) error {
	return pinned(func(*unix.CPUSet) int { return cpu }, f)
}

// OnFirstCPU runs f on the first CPU that this thread may use, and there alone.
// Frames that are sent so keep their order also where each CPU has a queue of its own
// (generic mode), and what the kernel counts on each CPU is counted on one.
func OnFirstCPU(f func() error) error { return OnNthCPU(0, f) }

// OnNthCPU runs f on one of the CPUs that this thread may use, and there alone: on the
// n-th, from 0, and beyond the last on the first again.
func OnNthCPU(n int, f func() error) error {
	return pinned(func(allowed *unix.CPUSet) int {
		cpu := -1
		for n %= allowed.Count(); n >= 0; n-- {
			for cpu++; !allowed.IsSet(cpu); cpu++ {
			}
		}
		return cpu
	}, f)
}

// pinned runs f on the CPU that choose takes of those allowed.
func pinned(choose func(allowed *unix.CPUSet) int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("read CPU affinity: %w", err)
	}
	cpu := choose(&before)
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("pin thread to CPU %d: %w", cpu, err)
	}
	return errors.Join(f(), unix.SchedSetaffinity(0, &before))
}
