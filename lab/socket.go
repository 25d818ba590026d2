package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// openPacketSocket opens a raw packet socket (packet(7)) on an interface in ns,
// for frames of the given EtherType; 0 receives none. configure runs before the
// first frame can arrive.
func openPacketSocket(ns *Namespace, ifname string, etherType uint16, configure func(fd int) error) (*os.File, error) {
	fd := -1
	err := ns.Do(func() error {
		iface, err := net.InterfaceByName(ifname)
		if err != nil {
			return err
		}
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		if err := configure(fd); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		address := &unix.SockaddrLinklayer{Ifindex: iface.Index, Protocol: networkOrder(etherType)}
		return os.NewSyscallError("bind", unix.Bind(fd, address))
	})
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("open packet socket on %q in %q: %w", ifname, ns.name, err)
	}
	return os.NewFile(uintptr(fd), ifname), nil
}

// networkOrder returns the number whose bytes in memory are those of n in
// network byte order.
func networkOrder(n uint16) uint16 {
	var field [2]byte
	binary.BigEndian.PutUint16(field[:], n)
	return binary.NativeEndian.Uint16(field[:])
}
