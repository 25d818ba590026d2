package frames

import (
	"encoding/binary"
	"slices"
)

// UDP ports of the tunnels, from IANA's registry.
const (
	PortVXLAN  = 4789
	PortGENEVE = 6081
)

// VXLAN returns a VXLAN header (RFC 7348): the I flag, the VNI, and all else 0.
func VXLAN(vni uint32) []byte {
	return []byte{0x08, 0, 0, 0, byte(vni >> 16), byte(vni >> 8), byte(vni), 0}
}

// GENEVE is a GENEVE header of version 0 (RFC 8926).
type GENEVE struct {
	VNI      uint32   // 24 bits
	Protocol uint16   // EtherType of what follows
	Options  [][]byte // each from Option, 252 bytes together at most
}

// Header returns the header's bytes.
func (g GENEVE) Header() []byte {
	options := slices.Concat(g.Options...)
	header := []byte{byte(len(options) / 4), 0}
	header = binary.BigEndian.AppendUint16(header, g.Protocol)
	header = append(header, byte(g.VNI>>16), byte(g.VNI>>8), byte(g.VNI), 0)
	return append(header, options...)
}

// ClassAWS is the GENEVE option class of AWS.
const ClassAWS = 0x0108

// Option returns a GENEVE option; value is a multiple of 4 bytes, at most 124.
func Option(class uint16, kind uint8, value []byte) []byte {
	option := binary.BigEndian.AppendUint16(nil, class)
	option = append(option, kind, byte(len(value)/4))
	return append(option, value...)
}
