package lab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/netspace"
)

// shareNamespaceDirectory makes the directory of named namespaces a shared mount
// of its own, as the first `ip netns add` after boot does, under the same lock.
// If that came later instead, it would cover the names that are there already,
// and they could not be removed any more.
func shareNamespaceDirectory() error {
	if err := os.MkdirAll(netspace.Directory, 0o755); err != nil {
		return err
	}
	directory, err := os.Open(netspace.Directory)
	if err != nil {
		return err
	}
	defer directory.Close()
	if err := unix.Flock(int(directory.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %q: %w", netspace.Directory, err)
	}
	err = share()
	if errors.Is(err, unix.EINVAL) { // not a mount point yet
		if err := unix.Mount(netspace.Directory, netspace.Directory, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("mount %q on itself: %w", netspace.Directory, err)
		}
		err = share()
	}
	if err != nil {
		return fmt.Errorf("share mount %q: %w", netspace.Directory, err)
	}
	return nil
}

func share() error {
	return unix.Mount("", netspace.Directory, "none", unix.MS_SHARED|unix.MS_REC, "")
}
