package mirror

import (
	"encoding/binary"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// payload is what a tunnel carries, and what its headers say.
type payload struct {
	source    netip.Addr // outer source, of the innermost layer that was stripped
	vni       uint32
	endpoint  uint64
	tunnel    abi.Tunnel
	etherType uint16 // of a bare payload; 0: the content is an Ethernet frame
	content   stretch
}

// arrived returns the length in bytes of the inner frame in the outer one, with
// the made-up Ethernet header of a bare payload.
func (p payload) arrived() int {
	if p.etherType == 0 {
		return p.content.length
	}
	return EthernetLength + p.content.length
}

// ethernet returns the inner frame as far as it is at hand, nil of a bare payload.
func (p payload) ethernet() []byte {
	if p.etherType == 0 {
		return p.content.data
	}
	return nil
}

// unwrap strips the wrapping off a frame (rules 1 to 10).
func (p ports) unwrap(frame stretch) (payload, abi.Outcome) {
	etherType, packet := stripEthernet(frame)
	datagram, outcome := p.readUDP(etherType, packet)
	if outcome != undecided {
		return payload{}, outcome
	}
	if datagram.tunnel == abi.TunnelVXLAN {
		return readVXLAN(datagram)
	}
	outer, outcome := readGENEVE(datagram)
	if outcome != undecided || outer.etherType == 0 {
		return outer, outcome
	}
	if second, ok := p.secondLayer(outer); ok {
		return second, undecided
	}
	return outer, undecided
}

// secondLayer strips the mirror's own VXLAN off a packet that a Gateway Load
// Balancer has put into GENEVE, if it is one and nothing is wrong with it.
func (p ports) secondLayer(outer payload) (payload, bool) {
	datagram, outcome := ports{vxlan: p.vxlan}.readUDP(outer.etherType, outer.content)
	if outcome != undecided {
		return payload{}, false
	}
	second, outcome := readVXLAN(datagram)
	second.tunnel, second.endpoint = abi.TunnelGENEVEVXLAN, outer.endpoint
	return second, outcome == undecided
}

// readVXLAN reads a VXLAN header (RFC 7348 section 5; rules 8 and 10).
func readVXLAN(d datagram) (payload, abi.Outcome) {
	const headerLength, flagI = 8, 0x08
	header := d.payload
	if !header.holds(headerLength) || header.data[0]&flagI == 0 {
		return payload{}, abi.OutcomeMalformedVXLAN
	}
	content := header.from(headerLength)
	if !content.holds(EthernetLength) {
		return payload{}, abi.OutcomeMalformedInner
	}
	return payload{
		source:  d.source,
		vni:     binary.BigEndian.Uint32(header.data[4:]) >> 8,
		tunnel:  abi.TunnelVXLAN,
		content: content,
	}, undecided
}

// readGENEVE reads a GENEVE header and its options (RFC 8926 section 3.4; rules
// 9 and 10).
func readGENEVE(d datagram) (payload, abi.Outcome) {
	const headerLength, lowestEtherType = 8, 0x0600
	header := d.payload
	if !header.holds(headerLength) || header.data[0]>>6 != 0 {
		return payload{}, abi.OutcomeMalformedGENEVE
	}
	optionsEnd := headerLength + int(header.data[0]&0x3f)*4
	etherType := header.uint16(2)
	if !header.holds(optionsEnd) || etherType < lowestEtherType {
		return payload{}, abi.OutcomeMalformedGENEVE
	}
	content, shortest := header.from(optionsEnd), 1
	if etherType == etherTypeEthernet {
		etherType, shortest = 0, EthernetLength
	}
	if !content.holds(shortest) {
		return payload{}, abi.OutcomeMalformedInner
	}
	return payload{
		source:    d.source,
		vni:       binary.BigEndian.Uint32(header.data[4:]) >> 8,
		endpoint:  endpointID(header.data[headerLength:optionsEnd]),
		tunnel:    abi.TunnelGENEVE,
		etherType: etherType,
		content:   content,
	}, undecided
}

// endpointID returns the Gateway Load Balancer endpoint's id from a list of
// GENEVE options, 0 if it is not among them.
func endpointID(options []byte) uint64 {
	const (
		headerLength   = 4
		classAWS       = 0x0108
		typeEndpointID = 1
	)
	for len(options) >= headerLength {
		length := int(options[3]&0x1f) * 4
		value := options[headerLength:]
		if length > len(value) {
			return 0
		}
		if binary.BigEndian.Uint16(options) == classAWS && options[2] == typeEndpointID && length == 8 {
			return binary.BigEndian.Uint64(value)
		}
		options = value[length:]
	}
	return 0
}
