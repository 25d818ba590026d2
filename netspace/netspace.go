// Package netspace runs functions in other network namespaces than the process's own.
// A namespace is a thread's: what else the process does stays where it is.
package netspace

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Directory is where `ip netns` keeps names.
const Directory = "/run/netns"

// Aside runs f on a goroutine and a thread of its own, which f may take to another
// network namespace, and returns its error. Goroutines that f starts are outside
// again; sockets and processes stay in the namespace in which f made them. If f ends
// its goroutine, as testing's FailNow does, that is an error.
func Aside(f func() error) error {
	result := make(chan error, 1)
	go func() {
		err := errors.New("run in namespace: function did not return")
		defer func() { result <- err }()
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The first thread never ends, wherever it is: another one runs f while
			// this one is held.
			err = Aside(f)
			runtime.UnlockOSThread()
			return
		}
		home, homeErr := netns.Get()
		if homeErr != nil {
			err = fmt.Errorf("find own namespace: %w", homeErr)
			runtime.UnlockOSThread()
			return
		}
		defer comeHome(home)
		err = f()
	}()
	return <-result
}

// comeHome takes the calling goroutine's thread, which is locked, to its own
// namespace and unlocks it. A thread that does not get there stays locked, and so
// ends with the goroutine instead of running another one in the wrong place.
func comeHome(home netns.NsHandle) {
	if netns.Set(home) == nil {
		runtime.UnlockOSThread()
	}
	home.Close()
}
