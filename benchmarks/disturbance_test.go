package main

import (
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// A thread that wants the same CPU gets about half of it.
func TestLostShareSeesAnother(t *testing.T) {
	needRig(t)
	var stop atomic.Bool
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := unix.SchedSetaffinity(0, setOf(receiverCPU))
		for err == nil && !stop.Load() {
		}
		ended <- err
	}()
	lost, err := lostShare(receiverCPU)
	stop.Store(true)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if lost < 20 || lost > 100 {
		t.Errorf("lost %.1f %% of the CPU to a thread that never waits", lost)
	}
}

func TestDisturbanceIsOfAllThreeThings(t *testing.T) {
	needRig(t)
	d, err := measureDisturbance(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if d.GeneratorLost < 0 || d.GeneratorLost > 100 || d.ReceiverLost < 0 || d.ReceiverLost > 100 || d.DD <= 0 {
		t.Errorf("disturbance is %+v", d)
	}
}
