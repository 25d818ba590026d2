package frames

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// IP protocol numbers, from IANA's registry.
const (
	ProtocolHopByHop    = 0
	ProtocolICMP        = 1
	ProtocolTCP         = 6
	ProtocolUDP         = 17
	ProtocolRouting     = 43
	ProtocolFragment    = 44
	ProtocolAH          = 51
	ProtocolICMPv6      = 58
	ProtocolDestination = 60
)

// IP is an IPv4 or an IPv6 header, as Source is an address of the one or the
// other.
type IP struct {
	Source, Destination netip.Addr
	Protocol            uint8 // of the payload
	TTL                 uint8 // 0: 64

	// Of IPv4 (RFC 791). Options is a multiple of 4 bytes, at most 40; Offset
	// counts units of 8 bytes.
	ID            uint16
	MoreFragments bool
	Offset        uint16
	Options       []byte

	// Of IPv6 (RFC 8200), in their order.
	Extensions []Extension
}

// Packet returns the packet of this header and payload. If it is too long for
// the length field, that is 0, as in what Linux calls BIG TCP.
func (h IP) Packet(payload []byte) []byte {
	if h.TTL == 0 {
		h.TTL = 64
	}
	if h.Source.Is4() {
		return h.packet4(payload)
	}
	return h.packet6(payload)
}

func (h IP) packet4(payload []byte) []byte {
	length := 20 + len(h.Options)
	packet := []byte{0x40 | byte(length/4), 0}
	packet = binary.BigEndian.AppendUint16(packet, fit(length+len(payload)))
	packet = binary.BigEndian.AppendUint16(packet, h.ID)
	fragment := h.Offset
	if h.MoreFragments {
		fragment |= 0x2000
	}
	packet = binary.BigEndian.AppendUint16(packet, fragment)
	packet = append(packet, h.TTL, h.Protocol, 0, 0)
	packet = slices.Concat(packet, h.Source.AsSlice(), h.Destination.AsSlice(), h.Options)
	RepairIPv4(packet)
	return append(packet, payload...)
}

func (h IP) packet6(payload []byte) []byte {
	chain, first := h.chain()
	packet := []byte{0x60, 0, 0, 0}
	packet = binary.BigEndian.AppendUint16(packet, fit(len(chain)+len(payload)))
	packet = append(packet, first, h.TTL)
	return slices.Concat(packet, h.Source.AsSlice(), h.Destination.AsSlice(), chain, payload)
}

// chain returns the extension headers, linked, and the number of the first.
func (h IP) chain() (chain []byte, first uint8) {
	next := h.Protocol
	for _, extension := range slices.Backward(h.Extensions) {
		header := slices.Clone(extension.Header)
		header[0] = next
		next = extension.Protocol
		chain = append(header, chain...)
	}
	return chain, next
}

// headerLength returns the length in bytes of the header with its options or
// extensions.
func (h IP) headerLength() int {
	if h.Source.Is4() {
		return 20 + len(h.Options)
	}
	chain, _ := h.chain()
	return 40 + len(chain)
}

// EtherType returns the EtherType of the header's packets.
func (h IP) EtherType() uint16 {
	if h.Source.Is4() {
		return EtherTypeIPv4
	}
	return EtherTypeIPv6
}

// Extension is an IPv6 extension header.
type Extension struct {
	Protocol uint8
	Header   []byte // a multiple of 8 bytes; the first one is overwritten with the next header
}

// PaddedExtension returns an extension header of protocol and length bytes, a
// multiple of 8 from 8 to 2048, that holds zeros. To hop-by-hop and destination
// options they are padding, to routing a type 0 without segments left.
func PaddedExtension(protocol uint8, length int) Extension {
	header := make([]byte, length)
	header[1] = byte(length/8 - 1)
	return Extension{protocol, header}
}

// FragmentExtension returns a fragment header; offset counts units of 8 bytes.
func FragmentExtension(offset uint16, more bool, id uint32) Extension {
	field := offset << 3
	if more {
		field |= 1
	}
	header := binary.BigEndian.AppendUint16([]byte{0, 0}, field)
	return Extension{ProtocolFragment, binary.BigEndian.AppendUint32(header, id)}
}

// fit returns n for a 16-bit length field.
func fit(n int) uint16 {
	if n > 0xffff {
		return 0
	}
	return uint16(n)
}
