package frames

import "net/netip"

// Peer is one end of a conversation that is mirrored.
type Peer struct {
	MAC     MAC
	Address netip.Addr // of the same family as the other end's
	Port    uint16
}

// frame returns the Ethernet frame of an IP packet from one peer to another.
func frame(from, to Peer, protocol uint8, payload []byte) []byte {
	header := IP{Source: from.Address, Destination: to.Address, Protocol: protocol}
	return Ethernet(to.MAC, from.MAC, header.EtherType(), header.Packet(payload))
}

// TCPFrame returns a frame with a TCP segment of payload.
func TCPFrame(from, to Peer, payload []byte) []byte {
	segment := TCP{Source: from.Port, Destination: to.Port}.Segment(from.Address, to.Address, payload)
	return frame(from, to, ProtocolTCP, segment)
}

// UDPFrame returns a frame with a UDP datagram of payload.
func UDPFrame(from, to Peer, payload []byte) []byte {
	datagram := UDP{Source: from.Port, Destination: to.Port}.Datagram(from.Address, to.Address, payload)
	return frame(from, to, ProtocolUDP, datagram)
}

// EchoFrame returns a frame with an ICMP or ICMPv6 echo request.
func EchoFrame(from, to Peer, sequence uint16, payload []byte) []byte {
	message, protocol := Echo(from.Address, to.Address, from.Port, sequence, payload)
	return frame(from, to, protocol, message)
}

// ARPFrame returns a broadcast frame in which one peer asks for the other's MAC.
func ARPFrame(from, to Peer) []byte {
	broadcast := MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	return Ethernet(broadcast, from.MAC, EtherTypeARP, ARPRequest(from.MAC, from.Address, to.Address))
}

// Payload returns n bytes that differ from their neighbours, so that a shift of
// one byte shows.
func Payload(n int) []byte {
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = byte(i*7 + i>>8)
	}
	return payload
}
