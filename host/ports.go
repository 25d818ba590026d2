package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// listener is who else takes packets of a tunnel's port.
type listener struct {
	port   uint16
	device string // the kernel's tunnel device, as "vxlan device vxlan0"; "": it is a socket
	holder string // of a socket, as "suricata (pid 417)"
}

func examinePorts(v *visit) ([]Finding, error) {
	ports := slices.Concat(v.Judge.VXLANPorts, v.Judge.GENEVEPorts)
	listeners, err := tunnelDevices(ports)
	if err != nil {
		return nil, err
	}
	sockets, err := udpSockets(ports, listeners)
	if err != nil {
		return nil, err
	}
	return judgePorts(v.Interface, append(listeners, sockets...), v.nic != nil && v.nic.generic), nil
}

// tunnelDevices are the kernel's vxlan and geneve devices on ports.
func tunnelDevices(ports []uint16) (listeners []listener, err error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	for _, link := range links {
		var port uint16
		switch device := link.(type) {
		case *netlink.Vxlan:
			port = uint16(device.Port)
		case *netlink.Geneve:
			port = device.Dport
		}
		if port != 0 && slices.Contains(ports, port) {
			listeners = append(listeners, listener{port: port, device: link.Attrs().Name})
		}
	}
	return listeners, nil
}

// udpSockets are the sockets on ports, but for those of tunnel devices.
func udpSockets(ports []uint16, devices []listener) (listeners []listener, err error) {
	for _, table := range []string{"udp", "udp6"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + table)
		if errors.Is(err, fs.ErrNotExist) {
			continue // this kernel has no IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list UDP sockets: %w", err)
		}
		for _, s := range readSockets(string(text)) {
			ofDevice := s.inode == 0 && slices.ContainsFunc(devices, func(l listener) bool { return l.port == s.port })
			if slices.Contains(ports, s.port) && !ofDevice {
				listeners = append(listeners, listener{port: s.port, holder: holderOfSocket(s.inode)})
			}
		}
	}
	return listeners, nil
}

type udpSocket struct {
	port  uint16
	inode uint64 // 0: the kernel's own
}

// readSockets reads what the kernel prints of UDP sockets, a line each (net/ipv4/udp.c):
// number, local address and port, remote ones, state, queues, timer, retransmits, user,
// timeout, inode.
func readSockets(text string) (sockets []udpSocket) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 10 {
			continue
		}
		_, port, _ := strings.Cut(fields[1], ":")
		number, err := strconv.ParseUint(port, 16, 16)
		inode, inodeErr := strconv.ParseUint(fields[9], 10, 64)
		if err == nil && inodeErr == nil { // the first line is a head
			sockets = append(sockets, udpSocket{uint16(number), inode})
		}
	}
	return sockets
}

// holderOfSocket names a process that has a socket open, by the socket's inode.
func holderOfSocket(inode uint64) string {
	if inode == 0 {
		return "the kernel"
	}
	wanted := fmt.Sprintf("socket:[%d]", inode)
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, path := range descriptors {
		if target, err := os.Readlink(path); err == nil && target == wanted {
			process := strings.TrimPrefix(filepath.Dir(filepath.Dir(path)), "/proc/")
			name, _ := os.ReadFile(filepath.Join("/proc", process, "comm"))
			return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), process)
		}
	}
	return "a process of another user"
}

func judgePorts(name string, listeners []listener, generic bool) (findings []Finding) {
	for _, l := range listeners {
		f := Finding{
			Level: Warning, Found: fmt.Sprintf("UDP %d is read by %s", l.port, l.holder),
			Why: "it gets nothing of the sessions that xdpeel takes, and all else",
		}
		if l.device != "" {
			f.Found = fmt.Sprintf("the kernel's tunnel device %s has UDP %d", l.device, l.port)
			f.Remedy = "ip link del " + l.device
		}
		if l.device != "" && generic {
			f.Why = "it has the kernel merge tunnelled packets before the program sees them in generic mode: several come as one"
			f.Remedy = fmt.Sprintf("ip link del %s, or ethtool -K %s gro off", l.device, name)
		}
		findings = append(findings, f)
	}
	if findings == nil {
		return found("nobody else listens on the tunnels' ports")
	}
	return findings
}
