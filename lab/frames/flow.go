package frames

import "encoding/binary"

// FlowHash returns seven bits that are the same for all packets of a TCP or UDP
// conversation, either way, and of other traffic for all packets between two
// addresses: what tells AWS's source ports apart. A frame that is not IP, or is
// cut before its addresses, hashes to 0. The function itself is not AWS's.
func FlowHash(frame []byte) uint8 {
	if len(frame) < 14 {
		return 0
	}
	etherType, packet := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	var addresses, transport []byte
	var protocol byte
	switch {
	case etherType == EtherTypeIPv4 && len(packet) >= 20:
		addresses, protocol = packet[12:20], packet[9]
		if binary.BigEndian.Uint16(packet[6:])&0x3fff == 0 { // a fragment's ports are not in every piece
			transport = packet[min(len(packet), int(packet[0]&0x0f)*4):]
		}
	case etherType == EtherTypeIPv6 && len(packet) >= 40:
		addresses, protocol, transport = packet[8:40], packet[6], packet[40:]
	default:
		return 0
	}
	hash := uint32(protocol)
	half := len(addresses) / 2
	hash += mix(addresses[:half]) ^ mix(addresses[half:])
	if (protocol == ProtocolTCP || protocol == ProtocolUDP) && len(transport) >= 4 {
		hash += mix(transport[:2]) ^ mix(transport[2:4])
	}
	return uint8(hash * 0x9e3779b1 >> 25)
}

// mix is FNV-1a.
func mix(data []byte) uint32 {
	hash := uint32(2166136261)
	for _, b := range data {
		hash = (hash ^ uint32(b)) * 16777619
	}
	return hash
}
