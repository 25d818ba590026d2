package cases

import (
	"fmt"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
)

const endpointID = 0xe0e1e2e3e4e5e6e7

// balancer returns a Gateway Load Balancer at an address that no other case has,
// since the VNI of all its packets is 0.
func (t *table) balancer() frames.GatewayLoadBalancer {
	n := t.vni()
	return frames.GatewayLoadBalancer{
		Source:      netip.AddrFrom4([4]byte{10, 200, byte(n >> 8), byte(n)}),
		Destination: target,
		Endpoint:    endpointID,
		Attachment:  0xa0a1a2a3a4a5a6a7,
		FlowCookie:  0xc0c1c2c3,
	}
}

// stripped adds a case in which both layers are stripped: the balancer's GENEVE
// and the mirror's VXLAN.
func (t *table) stripped(name string, second frames.Mirrored, mutations ...frames.Mutation) *Case {
	outer := t.balancer().Carry(second.With(mutations...)[second.Offsets().IP:])
	c := t.delivered(name, second).within(outer)
	c.Endpoint = endpointID
	return c
}

// within puts the packet of a case into a balancer's.
func (c *Case) within(outer frames.Mirrored) *Case {
	c.Frame = outer.Bytes()
	c.WireLength = len(c.Frame)
	c.Offset += outer.Offsets().Inner - 14 // less the Ethernet header of the second layer
	c.Tunnel = abi.TunnelGENEVEVXLAN
	return c
}

// stays adds a case in which something is wrong with the second layer, so that
// it is carried as the bare packet that it is.
func (t *table) stays(name string, second frames.Mirrored, mutations ...frames.Mutation) *Case {
	packet := second.With(mutations...)[second.Offsets().IP:]
	etherType := second.IP.EtherType()
	outer := t.balancer().Carry(packet)
	outer.Tunnel = set(outer.Tunnel, 2, byte(etherType>>8), byte(etherType))
	c := t.delivered("gwlb second layer "+name, outer).bare(etherType, packet)
	c.Endpoint = endpointID
	return c.unknown()
}

// addStack is the Gateway Load Balancer's stack with nothing wrong.
func addStack(t *table) {
	t.stripped("gwlb", t.good())
	t.stripped("gwlb ipv6", t.good6())
	t.stripped("gwlb ingress", t.carry(ingress)).Direction = abi.DirectionIngress
	t.stripped("gwlb vxlan reserved bits", t.good(), frames.SetTunnel(0, 0xff, 0xff, 0xff, 0xff))
	t.stripped("gwlb inner frame of 14 bytes", t.carry(egress[:14])).unknown().cutFrom(14)
	t.stripped("gwlb inner frame cut", t.carry(egress[:60])).cutFrom(len(egress))
	t.stripped("gwlb with vxlan in it", t.carry(frames.Wrap(egress, t.vni(), eni.Address, target)))

	withOptions := t.good()
	withOptions.IP.Options = frames.Payload(40)
	t.stripped("gwlb ipv4 options", withOptions)
	t.stripped("gwlb ipv6 extensions", t.extended(
		frames.PaddedExtension(frames.ProtocolHopByHop, 8), frames.PaddedExtension(frames.ProtocolDestination, 24)))
	slack := t.good()
	slack.Filler, slack.Trailer = frames.Payload(5), frames.Payload(7)
	t.stripped("gwlb bytes behind udp's end and ip's end", slack)

	second := t.good()
	withoutOptions := t.balancer().Carry(second.Packet())
	withoutOptions.Tunnel = frames.GENEVE{Protocol: frames.EtherTypeIPv4}.Header()
	t.delivered("gwlb without options", second).within(withoutOptions)
}

// addBrokenStack breaks the second layer in each way that a first one can be.
func addBrokenStack(t *table) {
	t.stays("ipv4 version 5", t.good(), frames.SetIPVersion(5))
	t.stays("ipv4 header length 16", t.good(), frames.SetHeaderLength(4))
	t.stays("tcp", t.good(), frames.SetIP(9, frames.ProtocolTCP))
	t.stays("ipv4 length one over the datagram", t.good(), frames.AddIPLength(1)).cutFrom(14 + 20 + 8 + 8 + len(egress) + 1)
	t.stays("ipv4 length 0", t.good(), frames.SetIPLength(0))
	t.stays("ipv4 length 27", t.good(), frames.SetIPLength(27))
	t.stays("cut", t.good(), frames.CutEnd(1)).cutFrom(14 + 20 + 8 + 8 + len(egress))
	t.stays("cut before the port", t.good(), frames.Cut(14+20+2)).cutFrom(14 + 20 + 8 + 8 + len(egress))
	t.stays("cut in the ip header", t.good(), frames.Cut(14+10)).cutFrom(14 + 20 + 8 + 8 + len(egress))
	t.stays("udp length 7", t.good(), frames.SetUDPLength(7))
	t.stays("udp length one over the packet", t.good(), frames.AddUDPLength(1))
	t.stays("udp length 15", t.good(), frames.SetUDPLength(15))
	t.stays("vxlan i flag clear", t.good(), frames.SetTunnel(0, 0xf7))
	t.stays("inner frame of 13 bytes", t.carry(egress[:13]))
	t.stays("inner frame of no bytes", t.carry(nil))
	for _, port := range []uint16{4790, frames.PortGENEVE} {
		m := t.good()
		m.UDP.Destination = port
		t.stays(fmt.Sprintf("port %d", port), m)
	}
	first, later := t.good(), t.good()
	first.IP.MoreFragments, later.IP.Offset = true, 1
	t.stays("ipv4 fragment first", first)
	t.stays("ipv4 fragment later", later)
	addBrokenStack6(t)
}

func addBrokenStack6(t *table) {
	option := frames.PaddedExtension(frames.ProtocolDestination, 8)
	t.stays("ipv6 version 4", t.good6(), frames.SetIPVersion(4))
	t.stays("ipv6 length one over the datagram", t.good6(), frames.AddIPLength(1)).cutFrom(14 + 40 + 8 + 8 + len(egress6) + 1)
	t.stays("ipv6 length 0", t.good6(), frames.SetIPLength(0))
	t.stays("ipv6 udp length 0", t.good6(), frames.SetUDPLength(0))
	t.stays("ipv6 fragment atomic", t.extended(frames.FragmentExtension(0, false, 7)))
	t.stays("ipv6 fragment later", t.extended(frames.FragmentExtension(1, false, 7)))
	t.stays("ipv6 chain of 9", t.extended(option, option, option, option, option, option, option, option, option))
	t.stays("ipv6 authentication", t.extended(frames.PaddedExtension(frames.ProtocolAH, 24)))

	packet := t.good().Packet()
	mislabelled := t.balancer().Carry(packet)
	mislabelled.Tunnel = set(mislabelled.Tunnel, 2, 0x86, 0xdd)
	c := t.delivered("gwlb second layer ipv4 with the ethertype of ipv6", mislabelled)
	c.bare(frames.EtherTypeIPv6, packet).unknown().Endpoint = endpointID

	behindTag := frames.Tagged(t.good().Bytes(), frames.Tag{Control: 3})[14:]
	tagged := t.balancer().Carry(behindTag)
	tagged.Tunnel = set(tagged.Tunnel, 2, 0x81, 0x00)
	c = t.delivered("gwlb second layer behind a tag", tagged)
	c.bare(frames.EtherTypeVLAN, behindTag).unknown().Endpoint = endpointID
}
