package mirror

import "encoding/binary"

// EtherTypes, by the IEEE 802 registry.
const (
	EtherTypeIPv4     uint16 = 0x0800
	EtherTypeARP      uint16 = 0x0806
	etherTypeEthernet uint16 = 0x6558 // transparent Ethernet bridging
	etherTypeRARP     uint16 = 0x8035
	EtherTypeVLAN     uint16 = 0x8100 // 802.1Q
	EtherTypeIPv6     uint16 = 0x86dd
	EtherTypeQinQ     uint16 = 0x88a8 // 802.1ad
)

// Lengths in bytes of an Ethernet header without tags, and of a tag.
const (
	EthernetLength = 14
	tagLength      = 4
)

// isTag says whether a VLAN tag is behind an EtherType.
func isTag(etherType uint16) bool {
	return etherType == EtherTypeVLAN || etherType == EtherTypeQinQ
}

// AppendMadeUpEthernet appends the Ethernet header that a bare payload is given, of
// EthernetLength bytes, so that those who read Ethernet can read it. Its addresses are
// locally administered, and nobody's.
func AppendMadeUpEthernet(to []byte, etherType uint16) []byte {
	to = append(to, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1)
	return binary.BigEndian.AppendUint16(to, etherType)
}
