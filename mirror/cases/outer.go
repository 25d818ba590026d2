package cases

import (
	"fmt"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// addEthernet is rule 1.
func addEthernet(t *table) {
	q, ad := frames.Tag{Control: 5}, frames.Tag{Protocol: frames.EtherTypeQinQ, Control: 6}
	tagged := func(tags ...frames.Tag) frames.Mirrored {
		m := t.good()
		m.Tags = tags
		return m
	}
	t.delivered("plain", t.good())
	t.delivered("tag 802.1Q", tagged(q))
	t.delivered("tag 802.1ad", tagged(ad))
	t.delivered("tag with all control bits", tagged(frames.Tag{Control: 0xffff}))
	t.delivered("tags 802.1ad and 802.1Q", tagged(ad, q))
	t.delivered("tags 802.1Q twice", tagged(q, q))
	t.left("tags three", abi.OutcomeHost, tagged(ad, q, q))
	t.left("tag 0x9100", abi.OutcomeHost, tagged(frames.Tag{Protocol: 0x9100}))
	t.left("tag cut", abi.OutcomeHost, tagged(q), frames.Cut(17))
	t.left("tag second cut", abi.OutcomeHost, tagged(ad, q), frames.Cut(21))

	t.left("ethertype arp", abi.OutcomeHost, t.good(), frames.SetEtherType(frames.EtherTypeARP))
	t.left("ethertype mpls", abi.OutcomeHost, t.good(), frames.SetEtherType(frames.EtherTypeMPLS))
	t.left("ethertype is a length", abi.OutcomeHost, t.good(), frames.SetEtherType(46))
	t.left("ethertype ipv6 of an ipv4 packet", abi.OutcomeHost, t.good(), frames.SetEtherType(frames.EtherTypeIPv6))
	t.left("ethertype ipv4 of an ipv6 packet", abi.OutcomeHost, t.good6(), frames.SetEtherType(frames.EtherTypeIPv4))

	broadcast := t.good()
	broadcast.To = frames.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	t.delivered("ethernet broadcast", broadcast)
}

// addIPv4 is rules 2 and 3 of IPv4.
func addIPv4(t *table) {
	for length := 4; length <= 40; length += 4 {
		m := t.good()
		m.IP.Options = frames.Payload(length)
		t.delivered(fmt.Sprintf("ipv4 options %d bytes", length), m)
	}
	t.left("ipv4 version 5", abi.OutcomeHost, t.good(), frames.SetIPVersion(5))
	t.left("ipv4 version 6", abi.OutcomeHost, t.good(), frames.SetIPVersion(6))
	t.left("ipv4 header length 0", abi.OutcomeHost, t.good(), frames.SetHeaderLength(0))
	t.left("ipv4 header length 16", abi.OutcomeHost, t.good(), frames.SetHeaderLength(4))
	// With a header so short the last bytes of the destination would be the port.
	portLike := t.good()
	portLike.IP.Destination = netip.AddrFrom4([4]byte{10, 0, 4789 >> 8, 4789 & 0xff})
	t.left("ipv4 header length 16, port in the header", abi.OutcomeHost, portLike, frames.SetHeaderLength(4))
	t.left("ipv4 header cut", abi.OutcomeHost, t.good(), frames.Cut(14+19))
	t.left("ipv4 header length behind the frame", abi.OutcomeHost, t.good(), frames.SetHeaderLength(15), frames.Cut(14+59))

	wrongSum := t.delivered("ipv4 checksum wrong", t.good())
	wrongSum.Frame[14+10] ^= 0xff
	t.delivered("ipv4 tos", t.good(), frames.SetIP(1, 0xff))
	t.delivered("ipv4 id", t.good(), frames.SetIP(4, 0xab, 0xcd))
	t.delivered("ipv4 don't fragment", t.good(), frames.SetIP(6, 0x40))
	t.delivered("ipv4 reserved flag", t.good(), frames.SetIP(6, 0x80))
	t.delivered("ipv4 ttl 0", t.good(), frames.SetIP(8, 0))

	for _, protocol := range []byte{frames.ProtocolICMP, frames.ProtocolTCP, 4, 47, 136, 255} {
		t.left(fmt.Sprintf("ipv4 protocol %d", protocol), abi.OutcomeHost, t.good(), frames.SetIP(9, protocol))
	}
	tcp := frames.Mirrored{IP: frames.IP{Source: eni.Address, Destination: target, Protocol: frames.ProtocolTCP}}
	frame := frames.Ethernet(tcp.To, tcp.From, frames.EtherTypeIPv4,
		tcp.IP.Packet(frames.TCP{Source: 4789, Destination: 4789}.Segment(eni.Address, target, frames.Payload(40))))
	t.cases = append(t.cases, Case{Name: "ipv4 tcp to 4789", Frame: frame, WireLength: len(frame), Outcome: abi.OutcomeHost})
}

// addIPv4Fragments is rules 4 and 6 of IPv4.
func addIPv4Fragments(t *table) {
	fragment := func(offset uint16, more bool) frames.Mirrored {
		m := t.good()
		m.IP.Offset, m.IP.MoreFragments = offset, more
		return m
	}
	t.left("ipv4 fragment first", abi.OutcomeFragment, fragment(0, true))
	t.left("ipv4 fragment later", abi.OutcomeFragment, fragment(1, true))
	t.left("ipv4 fragment last", abi.OutcomeFragment, fragment(185, false))
	t.left("ipv4 fragment at half the largest offset", abi.OutcomeFragment, fragment(0x1000, false))
	t.left("ipv4 fragment at the largest offset", abi.OutcomeFragment, fragment(0x1fff, false))
	t.left("ipv4 fragment later, tcp", abi.OutcomeHost, fragment(1, true), frames.SetIP(9, frames.ProtocolTCP))
	t.left("ipv4 fragment later, of no payload", abi.OutcomeFragment, fragment(1, false), frames.Cut(14+20))
	t.left("ipv4 fragment later, its length wrong", abi.OutcomeFragment, fragment(1, false), frames.SetIPLength(0))
	t.left("ipv4 fragment later, its options cut", abi.OutcomeFragment,
		fragment(1, false), frames.SetHeaderLength(15), frames.Cut(14+30))
	t.left("ipv4 fragment first, cut before the port", abi.OutcomeHost, fragment(0, true), frames.Cut(14+23))
	t.left("ipv4 fragment first, cut behind the port", abi.OutcomeFragment, fragment(0, true), frames.Cut(14+24))
	t.left("ipv4 fragment first, its length wrong", abi.OutcomeFragment, fragment(0, true), frames.SetIPLength(0))
	t.left("ipv4 fragment first, its udp length beyond", abi.OutcomeFragment, fragment(0, true), frames.AddUDPLength(800))

	toOther := fragment(0, true)
	toOther.UDP.Destination = 53
	t.left("ipv4 fragment first, other port", abi.OutcomeHost, toOther)
	withOptions := fragment(0, true)
	withOptions.IP.Options = frames.Payload(12)
	t.left("ipv4 fragment first, with options", abi.OutcomeFragment, withOptions)
}

// addPorts is rule 5.
func addPorts(t *table) {
	for _, port := range []uint16{0, 53, 4788, 4790, 6080, 6082, 8472, 0xb512, 0xc117} {
		m := t.good()
		m.UDP.Destination = port
		t.left(fmt.Sprintf("port %d", port), abi.OutcomeHost, m)
	}
	fromPort := t.good()
	fromPort.UDP.Source, fromPort.UDP.Destination = 4789, 40000
	t.left("port 4789 as the source's", abi.OutcomeHost, fromPort)

	toOther := func() frames.Mirrored {
		m := t.good()
		m.UDP.Destination = 53
		return m
	}
	t.left("port other, ip length wrong", abi.OutcomeHost, toOther(), frames.AddIPLength(1))
	t.left("port other, udp length wrong", abi.OutcomeHost, toOther(), frames.SetUDPLength(3))
	t.left("port cut", abi.OutcomeHost, t.good(), frames.Cut(14+20+3))
	t.left("port seen, udp header cut", abi.OutcomeMalformedIP, t.good(), frames.Cut(14+20+4))
	t.delivered("port of the source 0", func() frames.Mirrored {
		m := t.good()
		m.UDP.Source = 0
		return m
	}())
}
