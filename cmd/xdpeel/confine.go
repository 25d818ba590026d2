package main

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// confine has no thread of this process get more privileges than it has, whatever
// it may execute: no program's set-user-ID bit and no file's capabilities count.
func confine() error {
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("forgo new privileges: %w", errno)
	}
	return nil
}
