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
func threadsNamed(beginning string) (pids []int, err error) {
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(string(comm), beginning) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
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
