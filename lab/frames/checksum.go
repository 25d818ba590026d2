package frames

import (
	"encoding/binary"
	"net/netip"
)

// sum adds data to an Internet checksum under way (RFC 1071): 16-bit big-endian
// words, an odd last byte padded with zero.
func sum(total uint32, data []byte) uint32 {
	for len(data) >= 2 {
		total += uint32(binary.BigEndian.Uint16(data))
		data = data[2:]
		total = total&0xffff + total>>16
	}
	if len(data) == 1 {
		total += uint32(data[0]) << 8
	}
	return total&0xffff + total>>16
}

func fold(total uint32) uint16 {
	total = total&0xffff + total>>16
	return ^uint16(total&0xffff + total>>16)
}

// Checksum returns the Internet checksum of data (RFC 1071). Over data that holds the
// right one it is 0.
func Checksum(data []byte) uint16 { return fold(sum(0, data)) }

// TransportChecksum returns the checksum of segment, whose own is 0 still, behind the
// pseudo-header of RFC 768 (IPv4) or RFC 8200 section 8.1 (IPv6).
func TransportChecksum(source, destination netip.Addr, protocol uint8, segment []byte) uint16 {
	total := sum(0, source.AsSlice())
	total = sum(total, destination.AsSlice())
	total = sum(total, []byte{0, protocol})
	total = sum(total, binary.BigEndian.AppendUint32(nil, uint32(len(segment))))
	return fold(sum(total, segment))
}

// RepairIPv4 makes the checksum of the IPv4 header at the start of packet right,
// if all of the header is there.
func RepairIPv4(packet []byte) {
	if len(packet) < 20 {
		return
	}
	length := int(packet[0]&0x0f) * 4
	if length < 20 || length > len(packet) {
		return
	}
	binary.BigEndian.PutUint16(packet[10:], 0)
	binary.BigEndian.PutUint16(packet[10:], Checksum(packet[:length]))
}
