package loader

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// Detach takes xdpeel's program off the interface name, whichever process put it
// there, and what is pinned of it below root, veths included; nothing that is not
// xdpeel's. It returns what it found: nil if the interface carries no program; a
// Holder that is not Ours was left alone.
func Detach(name, root string) (*Holder, error) {
	if err := checkCapabilities(); err != nil {
		return nil, err
	}
	iface, err := findInterface(name)
	if err != nil {
		return nil, err
	}
	holder, err := HolderOf(iface)
	if err == nil && holder != nil && holder.Hidden {
		return nil, lacking("CAP_SYS_ADMIN")
	}
	if err != nil || holder == nil || !holder.Ours {
		return holder, err
	}
	if err := breakLink(iface, holder.ID); err != nil {
		return holder, err
	}
	dir, err := findLinkPin(root, name)
	if err != nil || dir == "" {
		return holder, err
	}
	return holder, (&Pins{dir: dir}).forgetLink(name)
}

// Forget removes what an ended daemon has left below root of the interface name, if its
// program is not on it any more, or the interface is gone: pins, and veths once they were
// the last. It returns whether there was anything, and an error that wraps ErrPinsInUse
// while a daemon runs.
func Forget(name, root string) (found bool, err error) {
	dir, err := findLinkPin(root, name)
	if err != nil || dir == "" {
		return false, err
	}
	lock, err := lockPins(dir)
	if err != nil {
		return false, err
	}
	return true, errors.Join((&Pins{dir: dir}).forgetLink(name), lock.Close())
}

// findLinkPin returns the directory in which the link to an interface of the calling
// thread's network namespace is pinned, "" without.
func findLinkPin(root, iface string) (dir string, err error) {
	namespace, err := networkNamespace()
	if err != nil {
		return "", err
	}
	return findPin(root, namespace, linkPrefix+iface)
}

// breakLink detaches the link that holds a program on an interface. The index of
// an interface is not unique across namespaces; the program's id tells them apart.
func breakLink(iface netlink.Link, id ebpf.ProgramID) error {
	links := new(link.Iterator)
	defer links.Close()
	for links.Next() {
		info, err := links.Link.Info()
		if err != nil {
			continue
		}
		if xdp := info.XDP(); xdp == nil || int(xdp.Ifindex) != iface.Attrs().Index || info.Program != id {
			continue
		}
		if err := links.Link.Detach(); err != nil {
			return fmt.Errorf("take program %d off %q: %w", id, iface.Attrs().Name, err)
		}
		settle()
		return nil
	}
	if err := links.Err(); err != nil {
		return fmt.Errorf("look for the link of program %d: %w", id, err)
	}
	return fmt.Errorf("program %d on %q is held by no link", id, iface.Attrs().Name)
}
