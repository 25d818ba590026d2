package cases

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/lab/frames"
)

// The mirrored interface, with its IPv4 and its IPv6 address, those it talks to,
// and where the mirror sends.
var (
	eni    = frames.Peer{MAC: frames.MAC{0x0a, 0x58, 0, 0, 0, 0x59}, Address: netip.MustParseAddr("10.0.12.59"), Port: 443}
	eni6   = frames.Peer{MAC: eni.MAC, Address: netip.MustParseAddr("2001:db8:12::59"), Port: 443}
	other  = frames.Peer{MAC: frames.MAC{0x0a, 0x58, 0, 0, 0, 0x01}, Address: netip.MustParseAddr("198.51.100.7"), Port: 50123}
	other6 = frames.Peer{MAC: other.MAC, Address: netip.MustParseAddr("2001:db8:ffff::7"), Port: 50123}

	// third is neither the interface nor one it talks to.
	third = frames.Peer{MAC: frames.MAC{0x0a, 0x58, 0, 0, 0, 0x03}, Address: netip.MustParseAddr("10.0.12.3"), Port: 53}

	target  = netip.MustParseAddr("10.0.20.5")
	target6 = netip.MustParseAddr("2001:db8:20::5")
)

// Inner frames of a conversation.
var (
	egress   = frames.TCPFrame(eni, other, frames.Payload(100))
	ingress  = frames.TCPFrame(other, eni, frames.Payload(60))
	egress6  = frames.TCPFrame(eni6, other6, frames.Payload(100))
	ingress6 = frames.TCPFrame(other6, eni6, frames.Payload(60))
)

// peer returns one at an address.
func peer(address string, mac frames.MAC, port uint16) frames.Peer {
	return frames.Peer{MAC: mac, Address: netip.MustParseAddr(address), Port: port}
}
