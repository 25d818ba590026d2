package judges

import (
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// pinned is how often pin was called, so that workers come to different CPUs.
var pinned atomic.Uint32

// pin keeps the calling goroutine on one CPU until unpin: sampling by packet
// counts on each CPU by itself, and no other judge knows on which one a frame was.
func pin() (unpin func(), err error) {
	runtime.LockOSThread()
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("read CPU affinity: %w", err)
	}
	one.Set(nthCPU(&allowed, int(pinned.Add(1))%allowed.Count()))
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("stay on one CPU: %w", err)
	}
	return func() {
		_ = unix.SchedSetaffinity(0, &allowed) // it was so before
		runtime.UnlockOSThread()
	}, nil
}

// nthCPU returns the n-th CPU of a set that has more.
func nthCPU(set *unix.CPUSet, n int) int {
	for cpu := 0; ; cpu++ {
		if !set.IsSet(cpu) {
			continue
		}
		if n == 0 {
			return cpu
		}
		n--
	}
}
