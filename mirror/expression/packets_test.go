package expression

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/xdpeel/xdpeel/lab/frames"
)

const etherTypeRARP = 0x8035

// samplePackets returns whole frames of all kinds that a filter tells apart, with
// addresses and ports of a small pool: always the same ones.
func samplePackets() [][]byte {
	s := sampler{rand.New(rand.NewPCG(5, 0))}
	var list [][]byte
	for range 3 {
		for _, protocol := range []uint8{0, 1, 2, 6, 6, 6, 9, 17, 17, 17, 43, 44, 47, 50, 51, 58, 59, 60, 103, 112, 132, 132, 255} {
			list = append(list, s.ipv4Packets(protocol)...)
			list = append(list, s.ipv6Packets(protocol)...)
		}
	}
	for range 10 {
		list = append(list, s.others()...)
	}
	return list
}

type sampler struct{ *rand.Rand }

var (
	macA = frames.MAC{2, 0, 0, 0, 0, 0xa}
	macB = frames.MAC{2, 0, 0, 0, 0, 0xb}
)

func (s sampler) ipv4() netip.Addr {
	pool := []string{"10.0.0.1", "10.0.0.2", "10.1.2.3", "192.168.1.1", "0.0.0.10"}
	return netip.MustParseAddr(pool[s.IntN(len(pool))])
}

func (s sampler) ipv6() netip.Addr {
	pool := []string{"2001:db8::1", "2001:db8::2", "fe80::1", "::ffff:10.0.0.1"}
	return netip.MustParseAddr(pool[s.IntN(len(pool))])
}

// transport returns 20 bytes that begin with two ports, whatever the protocol. They
// are no whole extension header either: as one they would go on too far.
func (s sampler) transport() []byte {
	pool := []uint16{0, 53, 80, 81, 442, 443, 1024, 65535}
	payload := binary.BigEndian.AppendUint16(nil, pool[s.IntN(len(pool))])
	payload = binary.BigEndian.AppendUint16(payload, pool[s.IntN(len(pool))])
	return append(payload, frames.Payload(16)...)
}

func (s sampler) frame(header frames.IP) []byte {
	frame := frames.Ethernet(macA, macB, header.EtherType(), header.Packet(s.transport()))
	return s.tagged(frame, 12)
}

// tagged returns one frame in n with one to three VLAN tags, and the others as
// they are.
func (s sampler) tagged(frame []byte, n int) []byte {
	if s.IntN(n) > 0 {
		return frame
	}
	tags := []frames.Tag{{Protocol: frames.EtherTypeQinQ, Control: 5}, {Control: 6}, {Control: 7}}
	return frames.Tagged(frame, tags[s.IntN(3):]...)
}

func (s sampler) ipv4Packets(protocol uint8) [][]byte {
	var list [][]byte
	for _, header := range []frames.IP{
		{}, {}, {Options: []byte{1, 1, 1, 1}},
		{MoreFragments: true}, {MoreFragments: true, Offset: 1}, {Offset: 0x1fff},
	} {
		header.Source, header.Destination, header.Protocol = s.ipv4(), s.ipv4(), protocol
		list = append(list, s.frame(header))
	}
	return list
}

func (s sampler) ipv6Packets(protocol uint8) [][]byte {
	hopByHop := frames.PaddedExtension(frames.ProtocolHopByHop, 8)
	routing := frames.PaddedExtension(frames.ProtocolRouting, 24)
	destination := frames.PaddedExtension(frames.ProtocolDestination, 16)
	atomic := frames.FragmentExtension(0, false, 1)
	first := frames.FragmentExtension(0, true, 2)
	later := frames.FragmentExtension(9, false, 2)
	var list [][]byte
	for _, chain := range [][]frames.Extension{
		{}, {}, {atomic}, {first}, {later}, {hopByHop}, {routing}, {destination},
		{hopByHop, first}, {hopByHop, later}, {first, destination}, {later, destination}, {atomic, first},
	} {
		header := frames.IP{Source: s.ipv6(), Destination: s.ipv6(), Protocol: protocol, Extensions: chain}
		list = append(list, s.frame(header))
	}
	return list
}

func (s sampler) others() [][]byte {
	arp := frames.ARPRequest(macB, s.ipv4(), s.ipv4())
	ipv4 := frames.IP{Source: s.ipv4(), Destination: s.ipv4(), Protocol: frames.ProtocolTCP}.Packet(s.transport())
	return [][]byte{
		s.tagged(frames.Ethernet(macA, macB, frames.EtherTypeARP, arp), 3),
		frames.Ethernet(macA, macB, frames.EtherTypeARP, append(arp, make([]byte, 18)...)),
		s.tagged(frames.Ethernet(macA, macB, etherTypeRARP, arp), 3),
		frames.Ethernet(macA, macB, frames.EtherTypeMPLS, frames.MPLS(ipv4, 16)),
		frames.Ethernet(macA, macB, 0x88b5, ipv4),
		frames.Ethernet(macA, macB, uint16(len(ipv4)), ipv4), // IEEE 802.3: a length in place of an EtherType
	}
}
