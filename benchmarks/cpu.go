package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
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

// pinSelf keeps all threads of the benchmark itself off the receiver's CPU, but those
// that measure there.
func pinSelf() error {
	// Go would count the CPUs again and run one goroutine at a time from then on.
	runtime.GOMAXPROCS(runtime.NumCPU())
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

// wakefulness is where the kernel is told how long a CPU may take to wake up
// (Documentation/power/pm_qos_interface.rst). It holds while the file is open.
const wakefulness = "/dev/cpu_dma_latency"

// stayAwake keeps the CPUs from sleeping while they wait, until what it returns is
// closed. A virtual machine's CPU that sleeps is given away, and comes back when its
// host has time: who has the less to do would lose the more packets. Where the kernel
// cannot be told, it returns nil and says so.
func stayAwake() *os.File {
	file, err := os.OpenFile(wakefulness, os.O_WRONLY, 0)
	if err == nil {
		if _, err = file.Write(make([]byte, 4)); err == nil {
			return file
		}
		_ = file.Close() // the error before counts
	}
	slog.Warn("CPUs will sleep while they wait: who has the less to do may lose the more packets", "error", err)
	return nil
}

// Clocks of CPU time, as include/linux/posix-timers.h makes them up with a process id.
const (
	clockSched     = 2 // CPUCLOCK_SCHED: to the nanosecond
	clockPerThread = 4 // CPUCLOCK_PERTHREAD_MASK: of one thread instead of a process
)

// cpuTime returns the CPU time that a process has used so far.
func cpuTime(pid int) (time.Duration, error) { return cpuClock(pid, clockSched) }

// threadTimeOf returns the CPU time that a thread of this process has used so far.
func threadTimeOf(id int) (time.Duration, error) { return cpuClock(id, clockSched|clockPerThread) }

func cpuClock(id int, kind int32) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^id<<3)|kind, &t); err != nil {
		return 0, fmt.Errorf("read CPU clock of %d: %w", id, err)
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
