package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// The generator has one CPU, everything that receives another.
const (
	generatorCPU = 0
	receiverCPU  = 1
)

func setOf(cpu int) *unix.CPUSet {
	var set unix.CPUSet
	set.Set(cpu)
	return &set
}

// pinSelf keeps all threads of the benchmark itself off the receiver's CPU.
func pinSelf() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list own threads: %w", err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetaffinity(id, setOf(generatorCPU)); err != nil {
			return fmt.Errorf("pin own thread to CPU %d: %w", generatorCPU, err)
		}
	}
	return nil
}

// cpuTime returns the CPU time that a process has used so far, to the
// nanosecond. The clock of another process is made up of its id as
// include/linux/posix-timers.h does (CPUCLOCK_SCHED).
func cpuTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("read CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// threadTime returns the CPU time that the calling thread has used so far.
func threadTime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("read CPU clock of thread: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
