package lab

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// OnFirstCPU runs f on the first CPU that this thread may use, and there alone.
// Frames that are sent so keep their order also where each CPU has a queue of its own
// (generic mode), and what the kernel counts on each CPU is counted on one.
func OnFirstCPU(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, first unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("read CPU affinity: %w", err)
	}
	for cpu := 0; first.Count() == 0; cpu++ {
		if before.IsSet(cpu) {
			first.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &first); err != nil {
		return fmt.Errorf("stay on one CPU: %w", err)
	}
	return errors.Join(f(), unix.SchedSetaffinity(0, &before))
}
