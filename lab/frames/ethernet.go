// Package frames builds Ethernet frames byte by byte: the packets of a mirrored
// interface, and the mirrored packets that AWS makes of them. What it builds is
// right in every length and checksum; a test that wants something wrong changes
// one thing of it.
package frames

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// EtherTypes and tag protocols, from the IEEE 802 registry.
const (
	EtherTypeIPv4     = 0x0800
	EtherTypeARP      = 0x0806
	EtherTypeEthernet = 0x6558 // transparent Ethernet bridging: GENEVE's word for a whole frame
	EtherTypeVLAN     = 0x8100 // 802.1Q
	EtherTypeIPv6     = 0x86dd
	EtherTypeMPLS     = 0x8847
	EtherTypeQinQ     = 0x88a8 // 802.1ad
)

// MAC is an Ethernet address.
type MAC [6]byte

// Ethernet returns an Ethernet II frame. It is not padded to 60 bytes: a virtual
// network does not, and a mirrored frame is not either.
func Ethernet(destination, source MAC, etherType uint16, payload []byte) []byte {
	frame := slices.Concat(destination[:], source[:])
	frame = binary.BigEndian.AppendUint16(frame, etherType)
	return append(frame, payload...)
}

// Tag is a VLAN tag.
type Tag struct {
	Protocol uint16 // the EtherType that announces it; 0 is 0x8100
	Control  uint16 // priority (3 bits), drop eligible (1 bit), VLAN id (12 bits)
}

// Tagged returns a copy of frame with tags behind its MAC addresses, the
// outermost first.
func Tagged(frame []byte, tags ...Tag) []byte {
	tagged := slices.Clone(frame[:12])
	for _, tag := range tags {
		if tag.Protocol == 0 {
			tag.Protocol = EtherTypeVLAN
		}
		tagged = binary.BigEndian.AppendUint16(tagged, tag.Protocol)
		tagged = binary.BigEndian.AppendUint16(tagged, tag.Control)
	}
	return append(tagged, frame[12:]...)
}

// MPLS returns payload behind a label stack (RFC 3032) with a TTL of 64.
func MPLS(payload []byte, labels ...uint32) []byte {
	var stack []byte
	for i, label := range labels {
		entry := label<<12 | 64
		if i == len(labels)-1 {
			entry |= 1 << 8 // bottom of stack
		}
		stack = binary.BigEndian.AppendUint32(stack, entry)
	}
	return append(stack, payload...)
}

// ARPRequest returns the 28 bytes (RFC 826) that ask who has target.
func ARPRequest(sender MAC, address, target netip.Addr) []byte {
	request := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	request = append(request, sender[:]...)
	request = append(request, address.AsSlice()...)
	request = append(request, make([]byte, 6)...)
	return append(request, target.AsSlice()...)
}
