package host

import (
	"fmt"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/loader"
)

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
