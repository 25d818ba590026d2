package main

import (
	"errors"
	"maps"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIsMovable(t *testing.T) {
	t.Parallel()
	for stat, want := range map[string]bool{
		"77 (kdamond.0) I 2 0 0 0 -1 2129984 0 0 0 0 0 0":       true,
		"90 (napi/eth0-7) S 2 0 0 0 -1 2129984 0 0 0 0 0 0":     false,
		"91 (a) b (c)) S 1 1 1 0 -1 4194560 107 0 0 0 0 0":      false,
		"92 (k) (napi/eth0) I 2 0 0 0 -1 2129984 0 0 0 0 0 0 0": true,
	} {
		if got, err := isMovable(stat); err != nil || got != want {
			t.Errorf("%s: %v, %v", stat, got, err)
		}
	}
	for _, stat := range []string{"", "1", "1 (a)", "1 (a) S 0 0 0 0 0", "1 (a) S 0 0 0 0 0 x 0"} {
		if _, err := isMovable(stat); err == nil {
			t.Errorf("%q is taken for a state", stat)
		}
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	for mask, want := range map[string]string{
		"3\n": "1", "f\n": "d", "1\n": "1", "2\n": "2\n",
		"ffffffff,ffffffff\n": "ffffffff,fffffffd", "3,00000002\n": "3,00000000",
	} {
		if got, err := without(mask, 1); err != nil || got != want {
			t.Errorf("%q without CPU 1 is %q, %v; want %q", mask, got, err, want)
		}
	}
	if got, err := without("none\n", 1); err == nil {
		t.Errorf("none became %q", got)
	}
}

// Nothing of the kernel that may be moved stays on the receiver's CPU, and everything
// is where it was afterwards.
func TestClearReceiver(t *testing.T) {
	needRig(t)
	before, queues := kernelAffinities(t), queueCPUs(t)
	restore, err := clearReceiver()
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for pid, cpus := range kernelAffinities(t) {
		was, known := before[pid]
		if !known || was == cpus {
			continue
		}
		moved++
		if was.Clear(receiverCPU); was != cpus {
			t.Errorf("thread %d was moved to %v", pid, cpus)
		}
	}
	if moved == 0 {
		t.Error("no thread was moved")
	}
	if got := queueCPUs(t); got == queues && got != "" {
		t.Errorf("work queues may still use %s", got)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if got := queueCPUs(t); got != queues {
		t.Errorf("work queues may use %s, and might use %s", got, queues)
	}
	after := kernelAffinities(t)
	maps.DeleteFunc(before, func(pid int, _ unix.CPUSet) bool { _, still := after[pid]; return !still })
	for pid, cpus := range before {
		if after[pid] != cpus {
			t.Errorf("thread %d may use %v, and might use %v", pid, after[pid], cpus)
		}
	}
}

func kernelAffinities(t *testing.T) map[int]unix.CPUSet {
	t.Helper()
	threads, err := kernelThreads()
	if err != nil {
		t.Fatal(err)
	}
	affinities := make(map[int]unix.CPUSet)
	for _, pid := range threads {
		var cpus unix.CPUSet
		if unix.SchedGetaffinity(pid, &cpus) == nil {
			affinities[pid] = cpus
		}
	}
	return affinities
}

// queueCPUs returns what the kernel says of its work queues, "" if nothing.
func queueCPUs(t *testing.T) string {
	t.Helper()
	mask, err := os.ReadFile(queuesCPUs)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(mask)
}
