package cases

import (
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// keeps says how many bytes a snap length keeps at most.
func (c *Case) keeps(length int) *Case {
	c.Inner = c.Inner[:min(length, len(c.Inner))]
	return c
}

// snapBytes is a number of bytes for each session.
func snapBytes(t *table) Group {
	var policy mirror.Policy
	for _, length := range []int{0, 14, 15, 34, 60, 128, len(egress) - 1, len(egress), 65535} {
		kept := length
		if length == 0 {
			kept = abi.LimitSnapLength
		}
		see := func(name string, m frames.Mirrored) *Case {
			c := t.delivered(fmt.Sprintf("%d bytes of %s", length, name), m)
			policy.Sessions = append(policy.Sessions,
				mirror.SessionPolicy{VNI: c.VNI, Snap: mirror.Snap{Bytes: length}, Outputs: mirror.FirstOutput})
			return c
		}
		see("tcp", t.good()).keeps(kept)
		see("tcp, cut", t.carry(egress[:60])).cutFrom(len(egress)).keeps(kept)
		see("jumbo", t.carry(frames.TCPFrame(eni, other, frames.Payload(9001-54)))).keeps(kept)
		see("ethernet header", t.carry(egress[:14])).unknown().cutFrom(14).keeps(kept)
		see("bare", t.bareGENEVE(frames.EtherTypeIPv4, egress[14:])).bare(frames.EtherTypeIPv4, egress[14:]).keeps(kept)
		see("bare of one byte", t.bareGENEVE(0x88cc, []byte{2})).bare(0x88cc, []byte{2}).unknown().keeps(kept)
	}
	return t.group("snap length in bytes", policy)
}

// snapGroup returns the cases so far, with a snap length for all.
func (t *table) snapGroup(name string, snap mirror.Snap) Group {
	return t.group(name, byDefault(mirror.SessionPolicy{Snap: snap}))
}

// snapBoth is bytes and headers at once: the shorter counts.
func snapBoth(t *table) Group {
	t.delivered("tcp", t.good()).keeps(50)
	t.delivered("udp", t.carry(frames.UDPFrame(eni, other, frames.Payload(100)))).keeps(42)
	t.delivered("arp, padded", t.carry(padded(frames.ARPFrame(eni, other), 18))).unknown().keeps(50)
	t.delivered("mpls", t.carry(mpls)).unknown().keeps(14)
	t.delivered("tcp of 45 bytes", t.carry(egress[:45])).cutFrom(len(egress))
	return t.snapGroup("snap length in bytes and headers", mirror.Snap{Bytes: 50, Headers: true})
}

// snapOfJudge is the judge's own snap length beside the sessions': the shorter counts.
func snapOfJudge(t *table) Group {
	var policy mirror.Policy
	for _, c := range []struct {
		snap mirror.Snap
		kept int
	}{
		{mirror.Snap{}, 40}, {mirror.Snap{Bytes: 39}, 39}, {mirror.Snap{Bytes: 40}, 40}, {mirror.Snap{Bytes: 41}, 40},
		{mirror.Snap{Headers: true}, 40}, {mirror.Snap{Bytes: 20, Headers: true}, 20},
	} {
		for _, m := range []frames.Mirrored{t.good(), t.bareGENEVE(frames.EtherTypeIPv4, egress[14:])} {
			added := t.delivered(fmt.Sprintf("%+v, to port %d", c.snap, m.UDP.Destination), m)
			if m.UDP.Destination == frames.PortGENEVE {
				added.bare(frames.EtherTypeIPv4, egress[14:])
			}
			added.keeps(c.kept)
			policy.Sessions = append(policy.Sessions,
				mirror.SessionPolicy{VNI: added.VNI, Snap: c.snap, Outputs: mirror.FirstOutput})
		}
	}
	t.delivered("headers that are shorter", t.carry(mpls)).unknown().keeps(14)
	policy.Sessions = append(policy.Sessions,
		mirror.SessionPolicy{VNI: t.cases[len(t.cases)-1].VNI, Snap: mirror.Snap{Headers: true}, Outputs: mirror.FirstOutput})
	group := t.group("snap length of the judge", policy)
	group.Options = mirror.Options{SnapLength: 40}
	return group
}
