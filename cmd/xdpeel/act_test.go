package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// In place of tests the test binary does other things, in a process of its own: there
// are places with no other program.
//
// groupVariable names a file cgroup.procs: the test binary enters that group and
// becomes the command of its arguments. With hogVariable it takes all memory.
const (
	groupVariable = "XDPEEL_TEST_GROUP"
	hogVariable   = "XDPEEL_TEST_HOG"
)

func TestMain(m *testing.M) {
	if procs := os.Getenv(groupVariable); procs != "" {
		fmt.Fprintln(os.Stderr, enterAndBecome(procs, os.Args[1:]))
		os.Exit(1)
	}
	if os.Getenv(hogVariable) != "" {
		fmt.Fprintln(os.Stderr, takeAllMemory())
		os.Exit(1)
	}
	status := m.Run()
	if binaryDirectory != "" {
		os.RemoveAll(binaryDirectory)
	}
	os.Exit(status)
}

// enterAndBecome returns only if it fails.
func enterAndBecome(procs string, command []string) error {
	if err := os.WriteFile(procs, []byte("0"), 0); err != nil {
		return err
	}
	if labtest.IsGuest() {
		if err := spare(likeMost); err != nil {
			return err
		}
	}
	if err := os.Unsetenv(groupVariable); err != nil {
		return err
	}
	return syscall.Exec(command[0], command, os.Environ())
}

// enter has a command run in the group. Its first word is a path.
func (g *memoryGroup) enter(command ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", command...)
	cmd.Env = append(os.Environ(), groupVariable+"="+g.file("cgroup.procs"))
	return cmd
}
