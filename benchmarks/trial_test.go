package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// needRig skips what cannot make namespaces, has no CPU to receive on, or does not see
// the threads that it has to pin.
func needRig(t *testing.T) {
	t.Helper()
	labtest.NeedRoot(t, "makes network namespaces")
	if _, err := os.Stat("/sys/devices/system/cpu/cpu1"); err != nil {
		t.Skip("needs two CPUs")
	}
	if name, err := os.ReadFile("/proc/2/comm"); err != nil || string(name) != "kthreadd\n" {
		t.Skip("needs the kernel's threads in /proc: not in a PID namespace of one's own, as a container's")
	}
}

// receivingLane returns a lane whose end takes what comes, on the receiver's CPU.
func receivingLane(t *testing.T) *Lane {
	t.Helper()
	lane, err := NewLane(1500)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lane.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := lane.passAll(); err != nil {
		t.Fatal(err)
	}
	if _, err := lane.pinNAPI(); err != nil {
		t.Fatal(err)
	}
	return lane
}

// builtXdpeel returns the contender that the benchmarks are about.
func builtXdpeel(t *testing.T) Contender {
	t.Helper()
	path := filepath.Join(t.TempDir(), "xdpeel")
	if err := buildXdpeel(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return capturers(path)[0]
}

// slowRate is so low that nothing is lost, whatever else the machine does: all
// packets of a trial fit into the places of the veth's ring.
const slowRate = 2000

func TestTrialAccountsForEveryPacket(t *testing.T) {
	needRig(t)
	xdpeel := builtXdpeel(t)
	for name, w := range map[string]Workload{
		"one size":     {Sizes: []int{64}, Flows: 10, Sessions: 1},
		"internet mix": {Sizes: imix.Sizes, Flows: 100, Sessions: 20},
		"jumbo":        {Sizes: []int{9001}, Flows: 10, Sessions: 2},
	} {
		t.Run(name, func(t *testing.T) {
			stand, err := NewStand(xdpeel, w, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := stand.Close(); err != nil {
					t.Error(err)
				}
			}()
			trial, err := stand.Try(t.Context(), slowRate, 100*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			want := Account{Sent: 200, Received: 200}
			if trial.Account != want {
				t.Errorf("account is %+v, want %+v", trial.Account, want)
			}
			if trial.Kernel <= 0 || trial.Process <= 0 || trial.Memory.Resident == 0 || trial.Memory.Maps == 0 {
				t.Errorf("trial has no costs: %+v", trial)
			}
		})
	}
}

func TestContenderThatDoesNotStart(t *testing.T) {
	needRig(t)
	broken := Contender{Name: "broken", Program: "sh", Ready: "never said", prepare: prepareRaw,
		command: func(program, _, _ string) []string { return []string{program, "-c", "echo no such thing >&2; exit 3"} }}
	stand, err := NewStand(broken, Workload{Sizes: []int{64}, Flows: 1, Sessions: 1}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stand.Close()
	_, err = stand.Try(t.Context(), slowRate, time.Millisecond)
	if refusal := new(startError); !errors.As(err, &refusal) || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("error is %v", err)
	}
}

func TestJumboFramesAreThoseThatFitNoPage(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]bool{64: false, 1450: false, pageFrame - innerStart: false, pageFrame - innerStart + 1: true, 9001: true} {
		if (Workload{Sizes: []int{64, size}}).isJumbo() != want {
			t.Errorf("%d bytes: jumbo is %t", size, !want)
		}
	}
}
