package frames

import (
	"encoding/binary"
	"net/netip"
)

// GatewayLoadBalancer says who sends the outermost layer of a packet that was
// mirrored to a Gateway Load Balancer endpoint.
type GatewayLoadBalancer struct {
	Source      netip.Addr // of the balancer; IPv4, whatever it carries
	Destination netip.Addr // of the target
	Endpoint    uint64     // option 1: id of the endpoint
	Attachment  uint64     // option 2
	FlowCookie  uint32     // option 3
}

// Carry describes the GENEVE packet in which the balancer sends a bare IP packet
// on. All three options are in every packet of AWS's.
func (b GatewayLoadBalancer) Carry(packet []byte) Mirrored {
	etherType := uint16(EtherTypeIPv4)
	if packet[0]>>4 == 6 {
		etherType = EtherTypeIPv6
	}
	header := GENEVE{Protocol: etherType, Options: [][]byte{
		Option(ClassAWS, 1, binary.BigEndian.AppendUint64(nil, b.Endpoint)),
		Option(ClassAWS, 2, binary.BigEndian.AppendUint64(nil, b.Attachment)),
		Option(ClassAWS, 3, binary.BigEndian.AppendUint32(nil, b.FlowCookie)),
	}}
	return Mirrored{
		To: outerTo, From: outerFrom,
		IP:     IP{Source: b.Source, Destination: b.Destination, Protocol: ProtocolUDP, TTL: 255},
		UDP:    UDP{Source: 0xc000 | uint16(b.FlowCookie&0x3fff), Destination: PortGENEVE, NoChecksum: true},
		Tunnel: header.Header(),
		Inner:  packet,
	}
}

// WrapGWLB returns the frame that balancer sends of inner, mirrored by source to
// an endpoint at destination.
func WrapGWLB(inner []byte, vni uint32, source, destination netip.Addr, balancer GatewayLoadBalancer) []byte {
	return balancer.Carry(FromAWS(inner, vni, source, destination).Packet()).Bytes()
}
