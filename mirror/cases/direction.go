package cases

import (
	"fmt"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// addDirection is direction by address, which needs no memory.
func addDirection(t *table) {
	t.delivered("direction egress", t.good())
	t.delivered("direction ingress", t.carry(ingress)).Direction = abi.DirectionIngress
	t.delivered("direction neither", t.carry(frames.TCPFrame(third, other, nil))).unknown()
	t.delivered("direction to itself", t.carry(frames.TCPFrame(eni, eni, nil)))
	t.delivered("direction egress, ipv6", t.good6())
	m := t.good6()
	m.Inner = ingress6
	t.delivered("direction ingress, ipv6", m).Direction = abi.DirectionIngress
	t.delivered("direction ingress, tags", t.carry(frames.Tagged(ingress, frames.Tag{}, frames.Tag{}))).
		Direction = abi.DirectionIngress

	t.delivered("direction of ipv6 in ipv4", t.carry(egress6)).unknown()
	m = t.good6()
	m.Inner = egress
	t.delivered("direction of ipv4 in ipv6", m).unknown()

	addMapped(t)
}

// addMapped is IPv4-mapped IPv6 addresses, which are the IPv4 address wherever
// they stand.
func addMapped(t *table) {
	mapped := frames.Peer{MAC: eni.MAC, Address: netip.AddrFrom16(eni.Address.As16())}
	t.delivered("mapped inner source", t.carry(frames.TCPFrame(mapped, other6, nil)))
	t.delivered("mapped inner destination", t.carry(frames.TCPFrame(other6, mapped, nil))).Direction = abi.DirectionIngress
	for _, inner := range [][]byte{egress, frames.TCPFrame(mapped, other6, nil)} {
		t.delivered(fmt.Sprintf("mapped outer source of %#04x", inner[12:14]),
			frames.FromAWS(inner, t.vni(), mapped.Address, target6)).Source = eni.Address
	}
}

// Sequence is a run of frames that one judge sees in this order: what it has
// learned of one tells the direction of the next.
type Sequence struct {
	Name  string
	Cases []Case
}

// story is a sequence under way, all of one session unless it says otherwise.
type story struct {
	table
	vniOfAll uint32
}

// see adds a frame whose direction is as given.
func (s *story) see(name string, inner []byte, direction abi.Direction) *Case {
	c := s.delivered(name, frames.FromAWS(inner, s.vniOfAll, eni.Address, target))
	c.Direction = direction
	return c
}

// arp returns a frame that no address tells, from one MAC to another.
func arp(from, to frames.MAC) []byte {
	return frames.Ethernet(to, from, frames.EtherTypeARP, frames.ARPRequest(from, third.Address, target))
}

// from returns a frame that the interface's address sends with a MAC.
func from(source frames.MAC) []byte {
	return frames.TCPFrame(frames.Peer{MAC: source, Address: eni.Address}, other, nil)
}

// to returns a frame that is sent to the interface's address and a MAC.
func to(destination frames.MAC) []byte {
	return frames.TCPFrame(other, frames.Peer{MAC: destination, Address: eni.Address}, nil)
}

const (
	unknown   = abi.DirectionUnknown
	isIngress = abi.DirectionIngress
	isEgress  = abi.DirectionEgress
)

// Sequences returns what is learned of MAC addresses. Each is of sessions of its
// own; none can be judged twice by one judge.
func Sequences() []Sequence {
	var sequences []Sequence
	for i, told := range []struct {
		name string
		tell func(*story)
	}{
		{"learned from egress", learnFromEgress},
		{"learned from ingress", learnFromIngress},
		{"latest counts", latestCounts},
		{"group and zero never learned", groupAndZero},
		{"address before mac", addressBeforeMAC},
		{"other sessions learn nothing", otherSessions},
		{"bare payload", barePayload},
		{"frames left to the host teach nothing", leftToTheHost},
		{"one session through two tunnels", twoTunnels},
		{"frames without an address", withoutAddress},
	} {
		s := &story{vniOfAll: 0x020000 + uint32(i)<<8}
		told.tell(s)
		sequences = append(sequences, Sequence{told.name, s.cases})
	}
	return sequences
}

func learnFromEgress(s *story) {
	s.see("before", arp(eni.MAC, other.MAC), unknown)
	s.see("egress by address", from(eni.MAC), isEgress)
	s.see("from it", arp(eni.MAC, other.MAC), isEgress)
	s.see("to it", arp(other.MAC, eni.MAC), isIngress)
	s.see("from it to all", arp(eni.MAC, frames.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), isEgress)
	s.see("between others", arp(other.MAC, third.MAC), unknown)
	s.see("from it to itself", arp(eni.MAC, eni.MAC), unknown)
}

func learnFromIngress(s *story) {
	s.see("ingress by address", to(eni.MAC), isIngress)
	s.see("from it", arp(eni.MAC, other.MAC), isEgress)
	s.see("to it", arp(other.MAC, eni.MAC), isIngress)
	s.see("from the other", arp(other.MAC, third.MAC), unknown)
}

func latestCounts(s *story) {
	s.see("egress with one mac", from(eni.MAC), isEgress)
	s.see("egress with another", from(third.MAC), isEgress)
	s.see("from the first", arp(eni.MAC, other.MAC), unknown)
	s.see("from the second", arp(third.MAC, other.MAC), isEgress)
	s.see("ingress with the first", to(eni.MAC), isIngress)
	s.see("from the first again", arp(eni.MAC, other.MAC), isEgress)
	s.see("to the second", arp(other.MAC, third.MAC), unknown)
}

func groupAndZero(s *story) {
	broadcast, multicast := frames.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, frames.MAC{0x01, 0, 0x5e, 0, 0, 1}
	s.see("ingress to all", to(broadcast), isIngress)
	s.see("to all", arp(other.MAC, broadcast), unknown)
	s.see("egress from zero", from(frames.MAC{}), isEgress)
	s.see("from zero", arp(frames.MAC{}, other.MAC), unknown)
	s.see("to zero", arp(other.MAC, frames.MAC{}), unknown)
	s.see("egress", from(eni.MAC), isEgress)
	s.see("ingress to a group", to(multicast), isIngress)
	s.see("egress from zero once more", from(frames.MAC{}), isEgress)
	s.see("still known", arp(eni.MAC, other.MAC), isEgress)
	s.see("to a group", arp(other.MAC, multicast), unknown)
}

func addressBeforeMAC(s *story) {
	s.see("egress", from(eni.MAC), isEgress)
	s.see("from its mac to its address", frames.TCPFrame(
		frames.Peer{MAC: eni.MAC, Address: third.Address}, frames.Peer{MAC: other.MAC, Address: eni.Address}, nil), isIngress)
	s.see("the destination is known since", arp(other.MAC, third.MAC), isEgress)
	s.see("from its mac to itself", frames.TCPFrame(
		frames.Peer{MAC: other.MAC, Address: third.Address}, other, nil), unknown)
	s.see("from its mac to another", frames.TCPFrame(
		frames.Peer{MAC: other.MAC, Address: third.Address}, third, nil), isEgress)
}

func otherSessions(s *story) {
	s.see("egress", from(eni.MAC), isEgress)
	s.delivered("other vni", frames.FromAWS(arp(eni.MAC, other.MAC), s.vniOfAll+1, eni.Address, target)).unknown()
	s.delivered("other source", frames.FromAWS(arp(eni.MAC, other.MAC), s.vniOfAll, third.Address, target)).unknown()
	s.delivered("source of ipv6", frames.FromAWS(arp(eni.MAC, other.MAC), s.vniOfAll, eni6.Address, target6)).unknown()
	s.see("the same", arp(eni.MAC, other.MAC), isEgress)
}

func barePayload(s *story) {
	madeUp := frames.MAC{2, 0, 0, 0, 0, 1}
	bare := func(name string, etherType uint16, payload []byte, direction abi.Direction) {
		m := frames.FromAWS(payload, 0, eni.Address, target)
		m.UDP.Destination = frames.PortGENEVE
		m.Tunnel = frames.GENEVE{VNI: s.vniOfAll, Protocol: etherType}.Header()
		s.delivered(name, m).bare(etherType, payload).Direction = direction
	}
	bare("egress by address", frames.EtherTypeIPv4, egress[14:], isEgress)
	s.see("the made-up mac is not learned", arp(madeUp, other.MAC), unknown)
	s.see("its first bytes are no mac", arp(frames.MAC(egress[20:26]), other.MAC), unknown)
	s.see("a frame that has it is", from(madeUp), isEgress)
	bare("of no address", frames.EtherTypeARP, frames.Payload(28), unknown)
	bare("that begins as a frame would", frames.EtherTypeARP, arp(madeUp, other.MAC), unknown)
	s.see("known still", arp(madeUp, other.MAC), isEgress)
}

func leftToTheHost(s *story) {
	m := frames.FromAWS(from(eni.MAC), s.vniOfAll, eni.Address, target)
	s.left("udp length wrong", abi.OutcomeMalformedUDP, m, frames.AddUDPLength(1))
	s.left("i flag clear", abi.OutcomeMalformedVXLAN, m, frames.SetTunnel(0, 0))
	s.see("from its mac", arp(eni.MAC, other.MAC), unknown)
}

func twoTunnels(s *story) {
	s.stripped("through the balancer", frames.FromAWS(from(eni.MAC), s.vniOfAll, eni.Address, target))
	s.see("from its mac", arp(eni.MAC, other.MAC), isEgress)
	m := frames.FromAWS(arp(other.MAC, eni.MAC), 0, eni.Address, target)
	m.UDP.Destination = frames.PortGENEVE
	m.Tunnel = frames.GENEVE{VNI: s.vniOfAll, Protocol: frames.EtherTypeEthernet}.Header()
	s.delivered("to its mac in geneve", m).Direction = isIngress
}

func withoutAddress(s *story) {
	s.see("egress", from(eni.MAC), isEgress)
	s.see("ethernet header alone", egress[:14], isEgress).cutFrom(14)
	s.see("ip header cut", egress[:33], isEgress).cutFrom(len(egress))
	s.see("ip version wrong", set(ingress, 14, 0x65), isIngress)
	s.see("ipv6", ingress6, isIngress)
	s.see("four tags", frames.Tagged(egress, frames.Tag{}, frames.Tag{}, frames.Tag{}, frames.Tag{}), isEgress)
	s.see("secondary address", frames.TCPFrame(frames.Peer{MAC: eni.MAC, Address: third.Address}, other, nil), isEgress)
}
