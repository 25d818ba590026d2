// Package lab builds small networks on one machine, of network namespaces and
// veth pairs, and has mirrored traffic to play on them. Namespaces and packet
// sockets need root. All that it makes is gone once its namespaces are closed
// and the processes and sockets in them are.
package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/xdpeel/xdpeel/netspace"
)

// Namespace is a network namespace with a name that `ip netns` knows.
type Namespace struct {
	name   string
	handle netns.NsHandle
	remove func() error
}

// NewNamespace makes a namespace named "PREFIX-PID-NUMBER". Its loopback is up.
// IPv6 is off on all its interfaces, present and future, so that none sends a
// router solicitation or a multicast report by itself.
func NewNamespace(prefix string) (*Namespace, error) {
	n := new(Namespace)
	err := netspace.Aside(func() (err error) {
		if err := shareNamespaceDirectory(); err != nil {
			return err
		}
		if n.name, n.handle, err = nameNamespace(prefix); err != nil {
			return err
		}
		n.remove = sync.OnceValue(func() error {
			return errors.Join(netns.DeleteNamed(n.name), n.handle.Close())
		})
		return errors.Join(silenceIPv6(), raiseLoopback())
	})
	if err != nil {
		if n.remove != nil {
			err = errors.Join(err, n.remove())
		}
		return nil, fmt.Errorf("make namespace %q: %w", prefix, err)
	}
	return n, nil
}

// Here returns the namespace that the process is in. It has no name, and Close
// leaves it as it is.
func Here() (*Namespace, error) {
	handle, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("find own namespace: %w", err)
	}
	return &Namespace{handle: handle, remove: sync.OnceValue(handle.Close)}, nil
}

// Name returns the name under which `ip netns` lists the namespace.
func (n *Namespace) Name() string { return n.name }

// Do runs f inside the namespace, on a goroutine and an OS thread of its own,
// and returns its error. Goroutines that f starts are outside again, so they may
// not rely on it; sockets and processes stay in the namespace in which f made
// them. f must not end its goroutine, as testing's FailNow does.
func (n *Namespace) Do(f func() error) error {
	return netspace.Aside(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("enter namespace %q: %w", n.name, err)
		}
		return f()
	})
}

// Start starts cmd inside the namespace; the caller ends it and waits for it.
// The process sees the caller's /sys, and so the interfaces of the caller's
// namespace there. It must not ask for SysProcAttr.Pdeathsig: the signal comes
// when a thread ends, not when the caller does.
func (n *Namespace) Start(cmd *exec.Cmd) error {
	if err := n.Do(cmd.Start); err != nil {
		return fmt.Errorf("start %q in namespace %q: %w", cmd.Path, n.name, err)
	}
	return nil
}

// Renew closes the namespace and makes another of the same name; pause is called
// between, while there is none. Not beside Do or Start.
func (n *Namespace) Renew(pause func()) error {
	err := errors.Join(netns.DeleteNamed(n.name), n.handle.Close())
	pause()
	if err == nil {
		err = netspace.Aside(func() (err error) {
			if n.handle, err = netns.NewNamed(n.name); err != nil {
				return err
			}
			return errors.Join(silenceIPv6(), raiseLoopback())
		})
	}
	if err != nil {
		return fmt.Errorf("make namespace %q anew: %w", n.name, err)
	}
	return nil
}

// Close takes the namespace's name away, and with it all its interfaces once no
// process or socket is left inside. Further calls do nothing.
func (n *Namespace) Close() error { return n.remove() }

var lastNumber atomic.Int64

// nameNamespace makes a namespace and takes the calling thread into it. It
// passes over names that a process of the same id left behind when it was killed.
func nameNamespace(prefix string) (string, netns.NsHandle, error) {
	for {
		name := fmt.Sprintf("%s-%d-%d", prefix, os.Getpid(), lastNumber.Add(1))
		handle, err := netns.NewNamed(name)
		if !errors.Is(err, fs.ErrExist) {
			return name, handle, err
		}
	}
}

// silenceIPv6 turns IPv6 off in the calling thread's namespace.
func silenceIPv6() error {
	for _, scope := range []string{"all", "default"} {
		path := filepath.Join("/proc/sys/net/ipv6/conf", scope, "disable_ipv6")
		err := os.WriteFile(path, []byte("1"), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // absent where the kernel has no IPv6
			return err
		}
	}
	return nil
}

func raiseLoopback() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	return nil
}
