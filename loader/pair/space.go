package pair

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespaceDirectory is where `ip netns` keeps names.
const namespaceDirectory = "/run/netns"

// space is the network namespace of a consumer's end.
type space struct {
	name   string
	file   *os.File        // nil: the caller's own
	handle *netlink.Handle // in it
}

// openSpace opens a namespace by name or path, or, for "", the calling thread's.
func openSpace(name string) (s *space, err error) {
	s = &space{name: name}
	if name == "" {
		if s.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return nil, fmt.Errorf("open netlink: %w", err)
		}
		return s, nil
	}
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(namespaceDirectory, name)
	}
	if s.file, err = os.Open(path); err != nil {
		return nil, fmt.Errorf("open network namespace %q: %w", name, err)
	}
	if s.handle, err = netlink.NewHandleAt(netns.NsHandle(s.fd()), unix.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink in network namespace %q: %w", name, err), s.file.Close())
	}
	return s, nil
}

func (s *space) fd() int { return int(s.file.Fd()) }

// do runs f there.
func (s *space) do(f func() error) error {
	if s.file == nil {
		return f()
	}
	result := make(chan error, 1)
	go func() {
		// The thread is not unlocked, and so ends with the goroutine instead of
		// running another one in the wrong namespace.
		runtime.LockOSThread()
		if err := netns.Set(netns.NsHandle(s.fd())); err != nil {
			result <- fmt.Errorf("enter network namespace %q: %w", s.name, err)
			return
		}
		result <- f()
	}()
	return <-result
}

func (s *space) close() error {
	if s.handle != nil {
		s.handle.Close()
	}
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
