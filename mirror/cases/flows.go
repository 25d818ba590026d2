package cases

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/lab/frames"
)

// Flow is inner frames of one flow, and its hash as worked out by hand: by a few
// lines of another language, and not by a judge.
type Flow struct {
	Name   string
	Frames [][]byte // of both directions, with their own Ethernet headers
	Hash   uint32   // with FlowSeed
}

// FlowSeed is the seed of all Flows.
const FlowSeed = 0x0123456789abcdef

// Flows returns flows of every kind.
func Flows() []Flow {
	mapped := func(p frames.Peer) frames.Peer {
		p.Address = netip.AddrFrom16(p.Address.As16())
		return p
	}
	back := func(frame []byte) []byte { // an Ethernet frame to where it came from
		return set(set(frame, 0, frame[6:12]...), 6, frame[0:6]...)
	}
	both := func(frame func(from, to frames.Peer, payload []byte) []byte, from, to frames.Peer) [][]byte {
		return [][]byte{frame(from, to, frames.Payload(20)), frame(to, from, nil)}
	}
	echo := func(from, to frames.Peer, payload []byte) []byte { return frames.EchoFrame(from, to, 1, payload) }
	sctp := egressIP(frames.IP{Protocol: protocolSCTP}, padded(portPair(eni.Port, other.Port), 8))
	arp := frames.ARPFrame(eni, other)
	return []Flow{
		{"tcp", both(frames.TCPFrame, eni, other), 0x9de0d85f},
		{"tcp of mapped addresses", both(frames.TCPFrame, mapped(eni), mapped(other)), 0x9de0d85f},
		{"udp", both(frames.UDPFrame, eni, other), 0xe6a51625},
		{"sctp", [][]byte{sctp, frames.Tagged(sctp, frames.Tag{}, frames.Tag{})}, 0xc1bd0a3b},
		{"icmp", both(echo, eni, other), 0x00b9075f},
		{"udp later fragment", [][]byte{
			egressIP(frames.IP{Protocol: frames.ProtocolUDP, Offset: 1}, frames.Payload(20)),
			egressIP(frames.IP{Protocol: frames.ProtocolUDP, Offset: 7, ID: 9}, frames.Payload(30)),
		}, 0x536dfc48},
		{"tcp of ipv6", both(frames.TCPFrame, eni6, other6), 0x4b8ed3f8},
		{"udp of ipv6 behind extensions", [][]byte{
			egressIPv6(frames.ProtocolUDP, portPair(eni6.Port, other6.Port)),
			egressIPv6(frames.ProtocolUDP, portPair(eni6.Port, other6.Port), hopByHop, atomic, destination),
		}, 0xe3d26aa5},
		{"icmpv6", both(echo, eni6, other6), 0xa550ce29},
		{"tcp to itself", both(frames.TCPFrame, eni, eni), 0x3de35dd2},
		{"arp", [][]byte{arp, back(arp), frames.Tagged(arp, frames.Tag{})}, 0xbf0c13d3},
		{"mpls", [][]byte{mpls, back(mpls), eapol, set(egress, 14, 0x65)}, 0xf8adf920},
	}
}

// FlowOfNothing is the hash, with FlowSeed, of a bare payload that is not IP.
const FlowOfNothing = 0x47904d39
