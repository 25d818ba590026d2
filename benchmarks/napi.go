package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pinNAPI pins the NAPI threads of the lane's receiving end.
func (l *Lane) pinNAPI() ([]int, error) { return pinNAPI(l.pair.B.Name) }

// pinNAPI pins the NAPI threads of an interface to the receiver's CPU, ahead of all
// ordinary processes, as the softirq of a network card is. It returns their process
// ids. There are none before NAPI is on: once a program is attached, or GRO is
// switched on.
func pinNAPI(iface string) ([]int, error) {
	deadline := time.Now().Add(2 * time.Second)
	for {
		pids, err := napiThreads(iface)
		if err != nil {
			return nil, err
		}
		if len(pids) == 0 {
			if time.Now().After(deadline) {
				return nil, fmt.Errorf("interface %q has no NAPI thread", iface)
			}
			time.Sleep(time.Millisecond)
			continue
		}
		for _, pid := range pids {
			err = errors.Join(err, unix.SchedSetaffinity(pid, setOf(receiverCPU)), prefer(pid))
		}
		if err != nil {
			return nil, fmt.Errorf("pin NAPI thread of %q: %w", iface, err)
		}
		return pids, nil
	}
}

// napiThreads finds the threads named "napi/INTERFACE-ID".
func napiThreads(iface string) ([]int, error) { return threadsNamed("napi/" + iface + "-") }

// threadsNamed finds the kernel's threads whose name, with a line feed at its end,
// begins so.
func threadsNamed(beginning string) ([]int, error) {
	return processesWhose("comm", func(comm string) (bool, error) { return strings.HasPrefix(comm, beginning), nil })
}

// processesWhose returns the ids of processes, the kernel's threads among them, by what
// a file of theirs in /proc holds.
func processesWhose(file string, is func(content string) (bool, error)) (pids []int, err error) {
	paths, err := filepath.Glob("/proc/[0-9]*/" + file)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return nil, fmt.Errorf("look for process: %w", err)
		}
		wanted, err := is(string(content))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if !wanted {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// prefer gives a thread the lowest real-time priority.
func prefer(pid int) error {
	return unix.SchedSetAttr(pid, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1,
	}, 0)
}
