package main

import (
	"fmt"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// confine has no thread of this process get more privileges than it has, whatever
// it may execute: no program's set-user-ID bit and no file's capabilities count.
func confine() error {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forgo new privileges: %w", err)
	}
	return nil
}

// ofFiles are the capabilities that root has over others' files, and goes on to need
// for those that it writes.
var ofFiles = []cap.Value{cap.CHOWN, cap.DAC_OVERRIDE, cap.DAC_READ_SEARCH, cap.FOWNER, cap.FSETID}

// shed gives up, for all threads and for good, every capability but the named ones.
func shed(keep ...cap.Value) error {
	have, left := cap.GetProc(), cap.NewSet()
	for _, value := range keep {
		for _, flag := range []cap.Flag{cap.Permitted, cap.Effective} {
			has, err := have.GetFlag(flag, value)
			if err == nil {
				err = left.SetFlag(flag, has, value)
			}
			if err != nil {
				return fmt.Errorf("look at capabilities: %w", err)
			}
		}
	}
	if err := left.SetProc(); err != nil {
		return hinted(fmt.Errorf("give up capabilities: %w", err), "a filter of system calls has to let capset(2) through")
	}
	return nil
}
