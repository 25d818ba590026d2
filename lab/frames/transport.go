package frames

import (
	"encoding/binary"
	"net/netip"
)

// UDP is a UDP header (RFC 768).
type UDP struct {
	Source, Destination uint16
	NoChecksum          bool // the checksum is 0, as AWS leaves it
}

// Datagram returns the datagram of this header and payload between two addresses.
func (h UDP) Datagram(source, destination netip.Addr, payload []byte) []byte {
	datagram := binary.BigEndian.AppendUint16(nil, h.Source)
	datagram = binary.BigEndian.AppendUint16(datagram, h.Destination)
	datagram = binary.BigEndian.AppendUint16(datagram, fit(8+len(payload)))
	datagram = append(datagram, 0, 0)
	datagram = append(datagram, payload...)
	if h.NoChecksum {
		return datagram
	}
	checksum := TransportChecksum(source, destination, ProtocolUDP, datagram)
	if checksum == 0 {
		checksum = 0xffff // 0 is the word for none
	}
	binary.BigEndian.PutUint16(datagram[6:], checksum)
	return datagram
}

// TCP is a TCP header without options (RFC 9293), with ACK set.
type TCP struct {
	Source, Destination uint16
	Sequence            uint32
	NoPush              bool // PSH is not set, as where more follows at once
}

// Segment returns the segment of this header and payload between two addresses.
func (h TCP) Segment(source, destination netip.Addr, payload []byte) []byte {
	segment := binary.BigEndian.AppendUint16(nil, h.Source)
	segment = binary.BigEndian.AppendUint16(segment, h.Destination)
	segment = binary.BigEndian.AppendUint32(segment, h.Sequence)
	flags := byte(0x18)
	if h.NoPush {
		flags = 0x10
	}
	segment = append(segment, 0, 0, 0, 1, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	segment = append(segment, payload...)
	checksum := TransportChecksum(source, destination, ProtocolTCP, segment)
	binary.BigEndian.PutUint16(segment[16:], checksum)
	return segment
}

// Echo returns an ICMP or ICMPv6 echo request, as source is an IPv4 or an IPv6
// address, and its protocol number.
func Echo(source, destination netip.Addr, id, sequence uint16, payload []byte) (message []byte, protocol uint8) {
	message = []byte{8, 0, 0, 0}
	message = binary.BigEndian.AppendUint16(message, id)
	message = binary.BigEndian.AppendUint16(message, sequence)
	message = append(message, payload...)
	if source.Is4() {
		binary.BigEndian.PutUint16(message[2:], Checksum(message))
		return message, ProtocolICMP
	}
	message[0] = 128
	binary.BigEndian.PutUint16(message[2:], TransportChecksum(source, destination, ProtocolICMPv6, message))
	return message, ProtocolICMPv6
}
