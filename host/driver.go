package host

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/loader"
)

// xdpFeatures are what the kernel says of an interface's driver, of Linux 6.3 and newer;
// before, nothing (enum netdev_xdp_act of linux/netdev.h).
type xdpFeatures struct{ bits uint64 }

const (
	xdpBasic     = 1 << 0 // native XDP
	xdpFragments = 1 << 5 // that receives frames of several buffers
)

// The netdev family's numbers, of linux/netdev.h.
const (
	netdevGet      = 1
	netdevIndex    = 1
	netdevFeatures = 3
)

// readXDPFeatures asks the kernel's netdev family, where there is one.
func readXDPFeatures(index int) xdpFeatures {
	family, err := netlink.GenlFamilyGet("netdev")
	if err != nil {
		return xdpFeatures{}
	}
	request := nl.NewNetlinkRequest(int(family.ID), unix.NLM_F_ACK)
	request.AddData(&nl.Genlmsg{Command: netdevGet, Version: 1})
	request.AddData(nl.NewRtAttr(netdevIndex, nl.Uint32Attr(uint32(index))))
	messages, err := request.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil || len(messages) == 0 {
		return xdpFeatures{}
	}
	attributes, err := nl.ParseRouteAttr(messages[0][nl.SizeofGenlmsg:])
	if err != nil {
		return xdpFeatures{}
	}
	for _, a := range attributes {
		if a.Attr.Type == netdevFeatures && len(a.Value) == 8 {
			return xdpFeatures{bits: binary.NativeEndian.Uint64(a.Value)}
		}
	}
	return xdpFeatures{}
}

// release is one of Linux, as 6.1.
type release struct{ major, minor int }

// since is of what a release has, and those after it.
func (r release) since(s release) bool {
	return s.major > 0 && (r.major > s.major || r.major == s.major && r.minor >= s.minor)
}

func runningRelease() (r release) {
	fmt.Sscanf(loader.KernelRelease(), "%d.%d", &r.major, &r.minor) // of none, nothing is known
	return r
}

// support is since when a driver in the kernel has native XDP, and takes frames of
// several buffers; the zero release: not yet, as far as is known.
type support struct{ native, fragments release }

// knownDrivers are those that a host of ours is likely to have. Not all of them tell the
// kernel what they can: virtio_net nothing of several buffers, vmxnet3 nothing at all, and
// ENA nothing while it has too many channels (ebpf-docs, and the drivers' sources).
var knownDrivers = map[string]support{
	"bnxt_en":    {release{4, 11}, release{5, 19}},
	"ena":        {release{5, 6}, release{}},
	"gve":        {release{6, 4}, release{}},
	"hv_netvsc":  {release{5, 6}, release{}},
	"i40e":       {release{4, 13}, release{6, 4}},
	"ice":        {release{5, 5}, release{6, 3}},
	"igb":        {release{5, 10}, release{}},
	"igc":        {release{5, 13}, release{}},
	"ixgbe":      {release{4, 12}, release{}},
	"ixgbevf":    {release{4, 17}, release{}},
	"mlx4_en":    {release{4, 8}, release{}},
	"mlx5_core":  {release{4, 9}, release{5, 18}},
	"tun":        {release{4, 14}, release{}},
	"veth":       {release{4, 19}, release{5, 18}},
	"virtio_net": {release{4, 10}, release{6, 3}},
	"vmxnet3":    {release{6, 6}, release{}},
}

// enaVersion is the version of an ENA driver out of the kernel tree; ok is false of
// one in it, which has the kernel's. They look like 2.14.0g.
func enaVersion(driver, version string) (major, minor int, ok bool) {
	if driver != "ena" || !strings.HasSuffix(version, "g") {
		return 0, 0, false
	}
	n, _ := fmt.Sscanf(version, "%d.%d.", &major, &minor)
	return major, minor, n == 2
}

// enaSince reports whether the driver is ENA's out of the kernel tree, of a version 2
// with at least this minor number.
func (n *nic) enaSince(minor int) bool {
	major, have, ok := enaVersion(n.driver, n.version)
	return ok && (major > 2 || major == 2 && have >= minor)
}

// The releases of the ENA driver that lifted its restrictions (its RELEASENOTES.md).
const (
	enaFragments   = 14 // frames of several buffers, so no limit to the MTU
	enaAllChannels = 17 // as many channels as there are, not half of them
)

// native reports whether the driver has native XDP, and whether of frames of several
// buffers: by what it tells, or by what is known of it.
func (n *nic) native() (native, fragments bool) {
	known := knownDrivers[n.driver]
	native = n.xdp.bits&xdpBasic != 0 || n.kernel.since(known.native)
	fragments = n.xdp.bits&xdpFragments != 0 || n.kernel.since(known.fragments) || n.enaSince(enaFragments)
	return native, native && fragments
}

func examineDriver(v *visit) ([]Finding, error) {
	native, _ := v.nic.native()
	v.nic.generic = v.Mode == loader.ModeGeneric || !native
	return v.nic.judgeDriver(v.Mode), nil
}

func (n *nic) judgeDriver(mode loader.Mode) []Finding {
	native, fragments := n.native()
	switch {
	case native && mode == loader.ModeGeneric:
		return []Finding{{
			Level: Note, Found: fmt.Sprintf("%s takes native XDP, and generic mode is asked for", n.driverText()),
			Why: "generic mode costs a socket buffer a packet", Remedy: "mode: auto in the configuration",
		}}
	case native && fragments:
		return found("%s takes native XDP, and frames of several buffers", n.driverText())
	case native:
		return found("%s takes native XDP, of frames of one buffer", n.driverText())
	case mode == loader.ModeNative:
		return []Finding{{
			Level: Failure, Found: fmt.Sprintf("%s has no native XDP", n.driverText()),
			Why: "native mode is asked for", Remedy: "mode: auto in the configuration, or --mode auto",
		}}
	}
	return []Finding{{
		Level: Warning, Found: fmt.Sprintf("%s has no native XDP: the program runs in generic mode", n.driverText()),
		Why: "generic mode costs a socket buffer a packet, and sees what the kernel has merged",
	}}
}

func examineMTU(v *visit) ([]Finding, error) { return v.nic.judgeMTU(v.Mode), nil }

// smallMTU is one below which AWS cuts a mirrored packet of an ordinary 1500 bytes:
// its wrapping takes 54 bytes over IPv4, and 74 over IPv6 (AWS's guide, limits).
const smallMTU = 1500 + 74

func (n *nic) judgeMTU(mode loader.Mode) []Finding {
	native, fragments := n.native()
	if n.mtu > loader.SingleBufferMTU && native && !fragments && mode != loader.ModeGeneric {
		f := Finding{
			Level: Warning, Found: fmt.Sprintf("MTU %d is more than %s takes in one buffer", n.mtu, n.driverText()),
			Why: "native XDP is refused at this MTU, and the program runs in generic mode; the smaller one may make AWS cut " +
				"mirrored packets that are longer, which their true length in the files then tells",
			Remedy: fmt.Sprintf("ip link set dev %s mtu %d", n.name, loader.SingleBufferMTU),
			Undo:   fmt.Sprintf("ip link set dev %s mtu %d", n.name, n.mtu),
			mend:   func() error { return netlink.LinkSetMTU(n.link, loader.SingleBufferMTU) },
		}
		if mode == loader.ModeNative {
			f.Level = Failure
		}
		return []Finding{f}
	}
	if n.mtu < smallMTU {
		return []Finding{{
			Level: Note, Found: fmt.Sprintf("MTU %d leaves less than 1500 bytes to a mirrored packet", n.mtu),
			Why:    "AWS cuts what does not fit together with 54 bytes of wrapping, 74 over IPv6",
			Remedy: fmt.Sprintf("ip link set dev %s mtu 9001", n.name),
		}}
	}
	return found("MTU %d", n.mtu)
}
