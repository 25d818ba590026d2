package main

import (
	"fmt"
	"net"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/lab/frames"
)

// Contender is a program that captures mirrored packets to a file, and what it
// needs for that.
type Contender struct {
	Name    string
	Program string // its executable
	Outer   bool   // it writes the packets as they arrive, not what is in them
	Device  string // what it captures from; "" is the lane's own interface
	Ready   string // what it says on stderr once it captures
	prepare func(*Lane) error
	command func(program, iface, path string) []string
}

// againSuffix is behind the name of a contender that is there twice.
const againSuffix = "_again"

// again is the contender once more, to be compared with itself.
func (c Contender) again() Contender {
	c.Name += againSuffix
	return c
}

// comparedBy names the result that compares xdpeel with the contender by something.
func (c Contender) comparedBy(what string) string {
	if strings.HasSuffix(c.Name, againSuffix) {
		return "noise_floor_" + what
	}
	return what + "_vs_" + c.Name
}

// captureBuffer is the buffer of the contenders that let one choose: what a CPU of
// xdpeel has for when its reader is late, in MiB.
const captureBuffer = 16

// capturers returns the contenders for whom the receiving side counts, xdpeel first.
func capturers(xdpeel string) []Contender {
	buffer := fmt.Sprint(captureBuffer)
	tcpdump := func(filter ...string) func(string, string, string) []string {
		return func(program, iface, path string) []string {
			command := []string{program, "-i", iface, "-n", "-Z", "root", "-B", fmt.Sprint(captureBuffer << 10), "-w", path}
			return append(command, filter...)
		}
	}
	dumpcap := func(filter ...string) func(string, string, string) []string {
		return func(program, iface, path string) []string {
			return append([]string{program, "-i", iface, "-q", "-B", buffer, "-w", path}, filter...)
		}
	}
	return []Contender{
		{Name: "xdpeel", Program: xdpeel, Ready: "listening on", prepare: prepareNothing,
			command: func(program, iface, path string) []string {
				return []string{program, "capture", "-i", iface, "--mode", "native", "-w", path}
			}},
		{Name: "tcpdump", Program: "tcpdump", Ready: "listening on", Device: vxlanDevice, prepare: prepareVXLAN, command: tcpdump()},
		{Name: "dumpcap", Program: "dumpcap", Ready: "File:", Device: vxlanDevice, prepare: prepareVXLAN, command: dumpcap()},
		{Name: "tcpdump_raw", Program: "tcpdump", Ready: "listening on", Outer: true, prepare: prepareRaw,
			command: tcpdump("udp", "port", "4789")},
		{Name: "dumpcap_raw", Program: "dumpcap", Ready: "File:", Outer: true, prepare: prepareRaw,
			command: dumpcap("-f", "udp port 4789")},
	}
}

// xdpdump returns the capture program of xdp-tools, which hooks into an XDP
// program or loads its own.
func xdpdump() Contender {
	return Contender{Name: "xdpdump", Program: "xdpdump", Ready: "listening on", Outer: true, prepare: prepareNothing,
		command: func(program, iface, path string) []string {
			return []string{program, "-i", iface, "--load-xdp-program", "-w", path}
		}}
}

// missing returns why a contender cannot run here, "" if it can.
func (c Contender) missing() string {
	if _, err := exec.LookPath(c.Program); err != nil {
		return fmt.Sprintf("%s is not installed", c.Program)
	}
	return ""
}

// vxlanDevice is the name of the kernel's vxlan device in a lane.
const vxlanDevice = "vxlan0"

// prepareNothing is for those who bring a program of their own.
func prepareNothing(*Lane) error { return nil }

// prepareRaw has the kernel's own stack take the packets as cheaply as it can: the
// interface has no address, so they are dropped once a capture has seen them.
func prepareRaw(l *Lane) error { return l.passAll() }

// prepareVXLAN makes the kernel's vxlan device for the workload's one VNI.
func prepareVXLAN(l *Lane) error {
	if err := l.passAll(); err != nil {
		return err
	}
	return l.pair.B.Namespace.Do(func() error {
		if err := addAddress(l.pair.B.Name, &net.IPNet{IP: target.AsSlice(), Mask: net.CIDRMask(8, 32)}); err != nil {
			return err
		}
		attributes := netlink.NewLinkAttrs()
		attributes.Name = vxlanDevice
		device := &netlink.Vxlan{
			LinkAttrs: attributes, VxlanId: firstVNI, Port: frames.PortVXLAN,
			VtepDevIndex: l.pair.B.Index, Learning: false,
		}
		if err := netlink.LinkAdd(device); err != nil {
			return fmt.Errorf("make vxlan device: %w", err)
		}
		if err := netlink.LinkSetUp(device); err != nil {
			return fmt.Errorf("raise vxlan device: %w", err)
		}
		return nil
	})
}

func addAddress(iface string, address *net.IPNet) error {
	link, err := netlink.LinkByName(iface)
	if err != nil {
		return fmt.Errorf("find interface %q: %w", iface, err)
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: address}); err != nil {
		return fmt.Errorf("give %q an address: %w", iface, err)
	}
	return nil
}
