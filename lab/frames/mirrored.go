package frames

import (
	"net/netip"
	"slices"
)

// Mirrored describes an outer packet layer by layer.
type Mirrored struct {
	To, From MAC
	Tags     []Tag
	IP       IP
	UDP      UDP
	Tunnel   []byte // header from VXLAN or GENEVE.Header
	Inner    []byte // what the tunnel carries
	Filler   []byte // behind the UDP datagram, within the IP packet
	Trailer  []byte // behind the IP packet
}

// Offsets says where in a frame its layers begin, in bytes.
type Offsets struct {
	EtherType   int // of the IP packet, behind all tags
	IP          int
	UDP         int
	Tunnel      int
	Inner       int
	DatagramEnd int
	PacketEnd   int
}

// Bytes returns the frame.
func (m Mirrored) Bytes() []byte {
	frame := Ethernet(m.To, m.From, m.IP.EtherType(), m.Packet())
	return append(Tagged(frame, m.Tags...), m.Trailer...)
}

// Packet returns the IP packet alone.
func (m Mirrored) Packet() []byte {
	payload := slices.Concat(m.Tunnel, m.Inner)
	datagram := m.UDP.Datagram(m.IP.Source, m.IP.Destination, payload)
	return m.IP.Packet(append(datagram, m.Filler...))
}

// Offsets returns where the layers of Bytes begin.
func (m Mirrored) Offsets() Offsets {
	var at Offsets
	at.EtherType = 12 + 4*len(m.Tags)
	at.IP = at.EtherType + 2
	at.UDP = at.IP + m.IP.headerLength()
	at.Tunnel = at.UDP + 8
	at.Inner = at.Tunnel + len(m.Tunnel)
	at.DatagramEnd = at.Inner + len(m.Inner)
	at.PacketEnd = at.DatagramEnd + len(m.Filler)
	return at
}

// outerMACs are those of every frame built here. A sender that wants the
// receiving host to take frames that xdpeel leaves to it puts the host's own
// MAC in the first six bytes.
var (
	outerTo   = MAC{0x02, 0, 0, 0, 0x10, 0x01}
	outerFrom = MAC{0x02, 0, 0, 0, 0x10, 0x02}
)

// FromAWS describes what AWS Traffic Mirroring sends of inner: from the primary
// address of the mirrored interface to the target's, with a TTL of 255, IP ID
// and UDP checksum 0 (as a capture of it shows), no tag and no option.
func FromAWS(inner []byte, vni uint32, source, destination netip.Addr) Mirrored {
	return Mirrored{
		To: outerTo, From: outerFrom,
		IP:     IP{Source: source, Destination: destination, Protocol: ProtocolUDP, TTL: 255},
		UDP:    UDP{Source: 0xff80 | uint16(FlowHash(inner)), Destination: PortVXLAN, NoChecksum: true},
		Tunnel: VXLAN(vni),
		Inner:  inner,
	}
}

// Wrap returns the frame that AWS Traffic Mirroring sends of inner.
func Wrap(inner []byte, vni uint32, source, destination netip.Addr) []byte {
	return FromAWS(inner, vni, source, destination).Bytes()
}
