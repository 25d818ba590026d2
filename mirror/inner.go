package mirror

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// inner is what can be read of an inner frame. Lengths are in bytes and count
// from its Ethernet header, the made-up one of a bare payload included.
type inner struct {
	arrived   int
	length    int  // before the mirror session cut it
	truncated bool // the mirror session cut it
	// Of the IP header, the zero Addr unless all of its fixed part is at hand. An
	// IPv4-mapped IPv6 address is the IPv4 address.
	source, destination netip.Addr
}

// readInner reads an inner frame as far as its IP header.
func readInner(p payload) inner {
	etherType, rest := p.etherType, p.content
	if etherType == 0 {
		etherType, rest = p.content.uint16(12), p.content.from(EthernetLength)
	}
	var in inner
	in.arrived = p.arrived()
	in.length = in.arrived
	for range abi.LimitInnerVLANs {
		if !isTag(etherType) {
			break
		}
		if !rest.holds(tagLength) {
			in.truncated = rest.length < tagLength
			return in
		}
		etherType, rest = rest.uint16(2), rest.from(tagLength)
	}
	switch etherType {
	case EtherTypeIPv4:
		in.readIPv4(rest)
	case EtherTypeIPv6:
		in.readIPv6(rest)
	}
	return in
}

func (in *inner) readIPv4(packet stretch) {
	const lengthEnd = 4 // of the first bytes, which say how long the packet is
	if packet.length < lengthEnd {
		in.truncated = true
		return
	}
	if !packet.holds(1) || packet.data[0]>>4 != 4 || ipv4HeaderLength(packet) < ipv4Length {
		return
	}
	in.truncated = packet.length < ipv4Length
	if packet.holds(lengthEnd) {
		// What is under the header length is nobody's length: segmentation
		// offload leaves 0 there.
		if length := int(packet.uint16(2)); length >= ipv4HeaderLength(packet) {
			in.claim(packet, length)
		}
	}
	if packet.holds(ipv4Length) {
		in.source = netip.AddrFrom4([4]byte(packet.data[12:]))
		in.destination = netip.AddrFrom4([4]byte(packet.data[16:]))
	}
}

func (in *inner) readIPv6(packet stretch) {
	const lengthEnd = 6
	if packet.length < lengthEnd {
		in.truncated = true
		return
	}
	if !packet.holds(1) || packet.data[0]>>4 != 6 {
		return
	}
	in.truncated = packet.length < ipv6Length
	if packet.holds(lengthEnd) {
		// 0 is a jumbogram's word (RFC 2675), or segmentation offload's.
		if length := int(packet.uint16(4)); length != 0 {
			in.claim(packet, ipv6Length+length)
		}
	}
	if packet.holds(ipv6Length) {
		in.source = netip.AddrFrom16([16]byte(packet.data[8:])).Unmap()
		in.destination = netip.AddrFrom16([16]byte(packet.data[24:])).Unmap()
	}
}

// claim takes note of the length that packet says to have. A frame may be longer
// than its packet, for it may be padded.
func (in *inner) claim(packet stretch, length int) {
	claimed := in.arrived - packet.length + length
	if claimed > in.arrived {
		in.length, in.truncated = claimed, true
	}
}
