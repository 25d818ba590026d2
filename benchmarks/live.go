package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
)

// runLive runs a program over live frames on a CPU, in a namespace whose stack
// gets what the program passes. It returns what a frame took, harness included.
func runLive(ns *lab.Namespace, program *ebpf.Program, cpu int, frame []byte, repeat uint32) (took time.Duration, err error) {
	options := ebpf.RunOptions{
		Data: frame, Repeat: repeat, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, BatchSize: 64,
	}
	err = ns.Do(func() error {
		return lab.OnCPU(cpu, func() error {
			began, err := threadTime()
			if err != nil {
				return err
			}
			if err := undisturbed(func() error { _, err := program.Run(&options); return err }); err != nil {
				return fmt.Errorf("run program with live frames: %w", err)
			}
			ended, err := threadTime()
			took = ended - began
			return err
		})
	})
	return took, err
}

// undisturbed keeps the signal with which Go stops a thread away from the calling one,
// which must be locked: a run that it ends is begun again, with more packets in all.
func undisturbed(f func() error) error {
	var urgent, before unix.Sigset_t
	urgent.Val[0] = 1 << (unix.SIGURG - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &urgent, &before); err != nil {
		return fmt.Errorf("block signal: %w", err)
	}
	return errors.Join(f(), unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
}
