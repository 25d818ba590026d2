package main

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/loader/pair"
)

// Lane is a wire of its own: the generator's end of a veth pair in one network
// namespace, and in another the end on which the contender listens.
type Lane struct {
	teardown
	pair *lab.Pair
}

var laneNumber atomic.Int64

// NewLane makes a lane for outer frames of at most mtu bytes behind the Ethernet
// header. The receiving end works in a thread of its own, as soon as something
// switches its NAPI on.
func NewLane(mtu int) (_ *Lane, err error) {
	l := new(Lane)
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	source, err := lab.NewNamespace("xdpeel-bench-source")
	if err != nil {
		return nil, err
	}
	l.then(source.Close)
	sink, err := lab.NewNamespace("xdpeel-bench-sink")
	if err != nil {
		return nil, err
	}
	l.then(sink.Close)
	// The threads of NAPI bear the name of their interface, and know no namespaces.
	name := fmt.Sprintf("b%d-%d", os.Getpid(), laneNumber.Add(1))
	l.pair, err = lab.NewPair(source, sink, lab.VethOptions{NameA: name + "s", NameB: name + "r", MTU: mtu, OffloadsOff: true})
	if err != nil {
		return nil, err
	}
	return l, l.makeThreaded()
}

// makeThreaded has the receiving end's NAPI run in kernel threads. A veth has no
// NAPI, and so takes nothing from an XDP redirect, unless GRO is on or a program
// is attached; what comes first is GRO.
func (l *Lane) makeThreaded() error {
	return l.pair.B.Namespace.Do(func() error {
		if err := switchGRO(l.pair.B.Name, true); err != nil {
			return err
		}
		return makeThreaded(l.pair.B.Name)
	})
}

// makeThreaded has the NAPI of an interface in the calling thread's namespace run in
// kernel threads.
func makeThreaded(iface string) error { return pair.WriteSys("class/net/"+iface+"/threaded", "1") }

func switchGRO(iface string, on bool) error {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("open ethtool: %w", err)
	}
	defer tool.Close()
	if err := tool.Change(iface, map[string]bool{"rx-gro": on}); err != nil {
		return fmt.Errorf("switch GRO of %q: %w", iface, err)
	}
	return nil
}

// passAll keeps NAPI on for a contender without a program of its own: by one that
// passes everything, instead of GRO, which has nothing to merge here.
func (l *Lane) passAll() error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "pass", Type: ebpf.XDP, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("load program that passes everything: %w", err)
	}
	l.then(program.Close)
	return l.pair.B.Namespace.Do(func() error {
		attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: l.pair.B.Index, Flags: link.XDPDriverMode})
		if err != nil {
			return fmt.Errorf("attach program that passes everything: %w", err)
		}
		l.then(attached.Close)
		return switchGRO(l.pair.B.Name, false)
	})
}

// xdpPass is XDP_PASS of linux/bpf.h.
const xdpPass = 2

// statisticsOf returns the kernel's counts of an interface.
func statisticsOf(namespace *lab.Namespace, name string) (counts netlink.LinkStatistics, err error) {
	err = namespace.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			counts = *link.Attrs().Statistics
		}
		return err
	})
	return counts, err
}
