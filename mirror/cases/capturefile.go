package cases

import (
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// CaptureFile returns the cases that only a capture file can hold: frames that
// its snap length has cut, and ones that no wire carries. As in All, no two share
// a session.
func CaptureFile() []Case {
	var t table
	addSnapped(&t)
	addSnappedInner(&t)
	addWireLengths(&t)
	addBigTCP(&t)
	return t.cases
}

// atHand cuts the frame of a case that is delivered, as a snap length does.
func (c *Case) atHand(length int) *Case {
	c.Frame = c.Frame[:length]
	c.Inner = c.Inner[:len(c.Inner)-(c.WireLength-length)]
	return c
}

// leftAtHand adds a case in which a frame that was cut is left to the host.
func (t *table) leftAtHand(name string, outcome abi.Outcome, m frames.Mirrored, length int, mutations ...frames.Mutation) {
	t.left(name, outcome, m, mutations...)
	c := &t.cases[len(t.cases)-1]
	c.Frame = c.Frame[:length]
}

// addSnapped cuts a mirrored packet at every byte.
func addSnapped(t *table) {
	at := t.good().Offsets()
	for length := range at.PacketEnd {
		name := fmt.Sprintf("vxlan snapped to %d", length)
		switch {
		case length < at.UDP+4:
			t.leftAtHand(name, abi.OutcomeHost, t.good(), length)
		case length < at.Tunnel:
			t.leftAtHand(name, abi.OutcomeMalformedIP, t.good(), length)
		case length < at.Inner:
			t.leftAtHand(name, abi.OutcomeMalformedVXLAN, t.good(), length)
		case length < at.Inner+14:
			t.leftAtHand(name, abi.OutcomeMalformedInner, t.good(), length)
		case length < at.Inner+34: // the inner addresses are not there
			t.delivered(name, t.good()).atHand(length).unknown()
		default:
			t.delivered(name, t.good()).atHand(length)
		}
	}
	option := foreignOptions(16)
	at = t.goodGENEVE(option).Offsets()
	t.leftAtHand("geneve snapped in its header", abi.OutcomeMalformedGENEVE, t.goodGENEVE(option), at.Tunnel+7)
	t.leftAtHand("geneve snapped in its options", abi.OutcomeMalformedGENEVE, t.goodGENEVE(option), at.Inner-1)
	t.leftAtHand("geneve snapped in ethernet", abi.OutcomeMalformedInner, t.goodGENEVE(option), at.Inner+13)
	t.delivered("geneve snapped in the inner frame", t.goodGENEVE(option)).atHand(at.Inner + 50)
}

// addSnappedInner is what a cut inner frame still says.
func addSnappedInner(t *table) {
	at := t.good().Offsets()
	// The session had cut it before, and both can be told apart.
	t.delivered("cut by the session, snapped", t.carry(egress[:100])).cutFrom(len(egress)).atHand(at.Inner + 40)
	t.delivered("cut by the session, snapped before that shows", t.carry(egress[:100])).unknown().atHand(at.Inner + 17)
	t.delivered("cut by the session in its header, snapped behind the length", t.carry(egress[:33])).
		unknown().cutFrom(len(egress)).atHand(at.Inner + 18)
	t.delivered("cut by the session in its header, snapped before the length", t.carry(egress[:33])).
		unknown().cutFrom(33).atHand(at.Inner + 15)
	t.delivered("cut by the session in its header, snapped before it", t.carry(egress[:33])).unknown().atHand(at.Inner + 14)
	t.delivered("cut by the session before its header, snapped", t.carry(egress[:17])).unknown().cutFrom(17).atHand(at.Inner + 15)
	tagged := frames.Tagged(egress, frames.Tag{}, frames.Tag{})
	t.delivered("snapped within tags", t.carry(tagged)).unknown().atHand(at.Inner + 19)
	t.delivered("cut by the session within tags, snapped", t.carry(tagged[:17])).unknown().cutFrom(17).atHand(at.Inner + 15)

	payload := egress[14:]
	bare := t.bareGENEVE(frames.EtherTypeIPv4, payload)
	start := bare.Offsets().Inner
	t.delivered("bare snapped", bare).bare(frames.EtherTypeIPv4, payload).atHand(start + 30)
	t.leftAtHand("bare snapped before it", abi.OutcomeMalformedInner, t.bareGENEVE(frames.EtherTypeIPv4, payload), start)

	stack := t.stripped("gwlb snapped", t.good())
	stack.atHand(stack.Offset + 40)
	for _, kept := range []int{20 + 3, 20 + 7, 20 + 8 + 7, 20 + 8 + 8 + 13} {
		outer := t.balancer().Carry(t.good().Packet())
		c := t.delivered(fmt.Sprintf("gwlb snapped to %d bytes of its second layer", kept), outer)
		c.bare(frames.EtherTypeIPv4, outer.Inner).unknown().atHand(outer.Offsets().Inner + kept)
		c.Endpoint = endpointID
	}
}

// addWireLengths is which wire lengths are believed, and against what.
func addWireLengths(t *table) {
	m := t.good()
	length := m.Offsets().PacketEnd
	t.leftAtHand("snapped, wire one short", abi.OutcomeMalformedIP, t.good(), length-20, frames.AddIPLength(1))
	t.leftAtHand("snapped, udp length wrong", abi.OutcomeMalformedUDP, t.good(), length-20, frames.AddUDPLength(1))

	shorter := t.delivered("wire length under what is at hand", t.good())
	shorter.WireLength = 60
	negative := t.delivered("wire length negative", t.good())
	negative.WireLength = -1
	longest := t.delivered("wire length the longest", t.good())
	longest.WireLength = 65575 + 14 + 2*4
	believed := t.delivered("wire length the longest, snapped", t.good()).atHand(length - 20)
	believed.WireLength = 65575 + 14 + 2*4
	t.leftAtHand("wire length longer than can be, snapped", abi.OutcomeMalformedIP, t.good(), length-20)
	t.cases[len(t.cases)-1].WireLength = 65575 + 14 + 2*4 + 1
	whole := t.delivered("wire length longer than can be", t.good())
	whole.WireLength = 1 << 30
}

// addBigTCP is frames of more than 65,535 bytes, as a host makes them for itself.
func addBigTCP(t *table) {
	big := frames.Payload(70000)
	t.left("big tcp in vxlan", abi.OutcomeMalformedIP, t.carry(frames.TCPFrame(eni, other, big)))
	m := t.good6()
	m.Inner = frames.TCPFrame(eni6, other6, big)
	t.left("big tcp in vxlan over ipv6", abi.OutcomeMalformedIP, m)
}
