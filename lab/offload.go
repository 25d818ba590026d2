package lab

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// turnOffloadsOff turns GRO, GSO and TSO off on an interface of the calling
// thread's namespace.
func turnOffloadsOff(ifname string) error {
	for _, command := range []uint32{unix.ETHTOOL_SGRO, unix.ETHTOOL_SGSO, unix.ETHTOOL_STSO} {
		if err := setEthtool(ifname, command, 0); err != nil {
			return err
		}
	}
	return nil
}

// setEthtool carries out an ethtool command that takes one value
// (struct ethtool_value, linux/ethtool.h).
func setEthtool(ifname string, command, value uint32) error {
	argument := struct{ command, value uint32 }{command, value}
	request := struct { // struct ifreq, linux/if.h
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&argument)}
	copy(request.name[:unix.IFNAMSIZ-1], ifname)

	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket for ethtool: %w", err)
	}
	defer unix.Close(fd)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return fmt.Errorf("ethtool command %#x on %q: %w", command, ifname, errno)
	}
	return nil
}
