package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
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
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagUDP(family)
		if err != nil {
			return nil, fmt.Errorf("list UDP sockets: %w", err)
		}
		for _, s := range sockets {
			port := s.ID.SourcePort
			ofDevice := s.INode == 0 && slices.ContainsFunc(devices, func(l listener) bool { return l.port == port })
			if slices.Contains(ports, port) && !ofDevice {
				listeners = append(listeners, listener{port: port, holder: holderOfSocket(s.INode)})
			}
		}
	}
	return listeners, nil
}

// holderOfSocket names a process that has a socket open, by the socket's inode.
func holderOfSocket(inode uint32) string {
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
