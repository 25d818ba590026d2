package pair

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/netspace"
)

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
		path = filepath.Join(netspace.Directory, name)
	}
	if s.file, err = openNamespaceFile(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNoNamespace
		}
		return nil, fmt.Errorf("open network namespace %q: %w", name, err)
	}
	if s.handle, err = netlink.NewHandleAt(netns.NsHandle(s.fd()), unix.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink in network namespace %q: %w", name, err), s.file.Close())
	}
	return s, nil
}

// ErrNoNamespace says that there is no network namespace of that name, or something else
// has it, as the empty file that `ip netns` mounts one on.
var ErrNoNamespace = errors.New("there is none")

// openNamespaceFile opens a file of the kernel's namespaces, and touches no other.
func openNamespaceFile(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var s unix.Statfs_t
	if err := unix.Fstatfs(fd, &s); err != nil {
		return nil, err
	}
	if s.Type != unix.NSFS_MAGIC {
		return nil, ErrNoNamespace
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
}

func (s *space) fd() int { return int(s.file.Fd()) }

// do runs f there.
func (s *space) do(f func() error) error {
	if s.file == nil {
		return f()
	}
	return netspace.Aside(func() error {
		if err := netns.Set(netns.NsHandle(s.fd())); err != nil {
			return fmt.Errorf("enter network namespace %q: %w", s.name, err)
		}
		return f()
	})
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
