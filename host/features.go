package host

import (
	"encoding/binary"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
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
