package main

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// isKernelThread is PF_KTHREAD of include/linux/sched.h.
const isKernelThread = 0x00200000

// clearReceiver moves the kernel's own work off the receiver's CPU, as far as it may
// be moved: threads, and what work queues do on no CPU in particular. It goes where a
// CPU has time, so to the receiver that leaves more of it; and a kernel without
// preemption lets none that is at work be interrupted by packets. What it returns moves
// everything back.
func clearReceiver() (restore func() error, err error) {
	threads, err := moveThreads()
	if err != nil {
		return nil, err
	}
	queues, err := moveQueues()
	if err != nil {
		return nil, errors.Join(err, threads())
	}
	return func() error { return errors.Join(queues(), threads()) }, nil
}

// moveThreads moves the kernel's threads; what it returns moves them back.
func moveThreads() (restore func() error, err error) {
	threads, err := kernelThreads()
	if err != nil {
		return nil, err
	}
	before := make(map[int]unix.CPUSet)
	restore = func() error {
		var errs []error
		for pid, cpus := range before {
			if err := unix.SchedSetaffinity(pid, &cpus); err != nil && !errors.Is(err, unix.ESRCH) {
				errs = append(errs, fmt.Errorf("move kernel thread %d back: %w", pid, err))
			}
		}
		return errors.Join(errs...)
	}
	for _, pid := range threads {
		var cpus unix.CPUSet
		if unix.SchedGetaffinity(pid, &cpus) != nil || !cpus.IsSet(receiverCPU) || cpus.Count() == 1 {
			continue // gone, or of this CPU or others alone
		}
		others := cpus
		others.Clear(receiverCPU)
		err := unix.SchedSetaffinity(pid, &others)
		switch {
		case err == nil:
			before[pid] = cpus
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ESRCH): // the kernel's to place (PF_NO_SETAFFINITY), or gone
		default:
			return nil, errors.Join(fmt.Errorf("move kernel thread %d: %w", pid, err), restore())
		}
	}
	return restore, nil
}

// queuesCPUs are the CPUs of work queues that are bound to none, in hexadecimal
// (Documentation/core-api/workqueue.rst).
const queuesCPUs = "/sys/devices/virtual/workqueue/cpumask"

// moveQueues moves the work of the kernel's queues; what it returns moves it back.
func moveQueues() (restore func() error, err error) {
	mask, err := os.ReadFile(queuesCPUs)
	if errors.Is(err, os.ErrNotExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("move work queues: %w", err)
	}
	others, err := without(string(mask), receiverCPU)
	if err != nil {
		return nil, fmt.Errorf("move work queues: %w", err)
	}
	if err := os.WriteFile(queuesCPUs, []byte(others), 0o644); err != nil {
		return nil, fmt.Errorf("move work queues: %w", err)
	}
	return func() error {
		if err := os.WriteFile(queuesCPUs, mask, 0o644); err != nil {
			return fmt.Errorf("move work queues back: %w", err)
		}
		return nil
	}, nil
}

// without returns a set of CPUs without one of them, and as it is if it has no other.
// Sets are numbers in hexadecimal, with a comma between each 32 bits.
func without(mask string, cpu int) (string, error) {
	digits := strings.ReplaceAll(strings.TrimSpace(mask), ",", "")
	set, ok := new(big.Int).SetString(digits, 16)
	if !ok {
		return "", fmt.Errorf("%q is no set of CPUs", mask)
	}
	set.SetBit(set, cpu, 0)
	if set.Sign() == 0 {
		return mask, nil
	}
	text := set.Text(16)
	for at := len(text) - 8; at > 0; at -= 8 {
		text = text[:at] + "," + text[at:]
	}
	return text, nil
}

// kernelThreads returns the process ids of the kernel's threads, but those of NAPI,
// which are where somebody wants them.
func kernelThreads() ([]int, error) { return processesWhose("stat", isMovable) }

// isMovable looks at /proc/PID/stat (proc_pid_stat(5)): the second field is the name,
// in parentheses, of which it may hold some itself; the ninth are the flags.
func isMovable(stat string) (bool, error) {
	end := strings.LastIndexByte(stat, ')')
	_, name, found := strings.Cut(stat[:max(end, 0)], "(")
	fields := strings.Fields(stat[end+1:])
	if !found || len(fields) < 7 {
		return false, fmt.Errorf("%q is no process's state", stat)
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	if err != nil {
		return false, err
	}
	return flags&isKernelThread != 0 && !strings.HasPrefix(name, "napi/"), nil
}
