package mirror

import (
	"net/netip"
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Lengths of headers' fixed parts, in bytes.
const (
	ipv4Length = 20
	ipv6Length = 40
	udpLength  = 8
	tcpLength  = 20
	sctpLength = 12
	icmpLength = 8 // of ICMP and ICMPv6
)

// undecided is the outcome of a frame that no rule has applied to yet.
const undecided = abi.OutcomeMax

// ports are the UDP destination ports by which tunnels are known.
type ports struct {
	vxlan, geneve []uint16
}

// tunnel returns whose port a port is.
func (p ports) tunnel(port uint16) (tunnel abi.Tunnel, ok bool) {
	if slices.Contains(p.vxlan, port) {
		return abi.TunnelVXLAN, true
	}
	return abi.TunnelGENEVE, slices.Contains(p.geneve, port)
}

// stripEthernet reads an Ethernet header and at most abi.LimitOuterVLANs tags
// (rule 1). Of a frame that ends within them the EtherType is 0.
func stripEthernet(frame stretch) (etherType uint16, packet stretch) {
	if !frame.holds(EthernetLength) {
		return 0, stretch{}
	}
	etherType, packet = frame.uint16(12), frame.from(EthernetLength)
	for range abi.LimitOuterVLANs {
		if !isTag(etherType) {
			break
		}
		if !packet.holds(tagLength) {
			return 0, stretch{}
		}
		etherType, packet = packet.uint16(2), packet.from(tagLength)
	}
	return etherType, packet
}

// ipHeader is what the headers before UDP say.
type ipHeader struct {
	source        netip.Addr // an IPv4-mapped IPv6 address is the IPv4 address
	length        int        // bytes from the start of the IP header to the end of UDP's
	packetLength  int        // bytes of the whole packet
	firstFragment bool       // with the UDP header, and maybe not all of the datagram
}

// readIP reads the way to UDP (rules 2 to 4).
func readIP(etherType uint16, packet stretch) (ipHeader, abi.Outcome) {
	switch etherType {
	case EtherTypeIPv4:
		return readIPv4(packet)
	case EtherTypeIPv6:
		return readIPv6(packet)
	}
	return ipHeader{}, abi.OutcomeHost
}

func readIPv4(packet stretch) (ipHeader, abi.Outcome) {
	if !packet.holds(ipv4Length) || packet.data[0]>>4 != 4 {
		return ipHeader{}, abi.OutcomeHost
	}
	headerLength := ipv4HeaderLength(packet)
	if headerLength < ipv4Length || packet.data[9] != ProtocolUDP {
		return ipHeader{}, abi.OutcomeHost
	}
	const moreFragments, offset = 0x2000, 0x1fff
	fragment := packet.uint16(6)
	if fragment&offset != 0 {
		return ipHeader{}, abi.OutcomeFragment
	}
	return ipHeader{
		source:        netip.AddrFrom4([4]byte(packet.data[12:])),
		length:        headerLength + udpLength,
		packetLength:  int(packet.uint16(2)),
		firstFragment: fragment&moreFragments != 0,
	}, undecided
}

// ipv4HeaderLength returns the header length in bytes; the first byte of packet
// is at hand.
func ipv4HeaderLength(packet stretch) int { return int(packet.data[0]&0x0f) * 4 }

func readIPv6(packet stretch) (ipHeader, abi.Outcome) {
	if !packet.holds(ipv6Length) || packet.data[0]>>4 != 6 {
		return ipHeader{}, abi.OutcomeHost
	}
	header := ipHeader{
		source:       netip.AddrFrom16([16]byte(packet.data[8:])).Unmap(),
		packetLength: ipv6Length + int(packet.uint16(4)),
	}
	next, rest := packet.data[6], packet.from(ipv6Length)
	for walked := 0; next != ProtocolUDP; walked++ {
		if walked == abi.LimitIPv6Extensions || !isExtension(next) || !rest.holds(4) {
			return ipHeader{}, abi.OutcomeHost
		}
		length := (int(rest.data[1]) + 1) * 8
		if next == ProtocolFragment {
			if isLater := rest.uint16(2)&0xfff8 != 0; isLater {
				return ipHeader{}, laterFragment(rest.data[0])
			}
			header.firstFragment = true
			length = 8 // its second byte is reserved
		}
		next, rest = rest.data[0], rest.from(length)
	}
	header.length = rest.offset - packet.offset + udpLength
	return header, undecided
}

// isExtension says whether an IPv6 next header is one that is walked.
func isExtension(next uint8) bool {
	switch next {
	case ProtocolHopByHop, ProtocolRouting, ProtocolFragment, ProtocolDestination:
		return true
	}
	return false
}

// laterFragment judges an IPv6 fragment that is not the first by the header that
// begins in the first one.
func laterFragment(next uint8) abi.Outcome {
	if next == ProtocolUDP {
		return abi.OutcomeFragment
	}
	return abi.OutcomeHost
}

// datagram is a UDP datagram to one of the ports.
type datagram struct {
	source  netip.Addr
	tunnel  abi.Tunnel // whose port it is for
	payload stretch
}

// readUDP reads an IP packet to the payload of its UDP datagram (rules 2 to 7).
func (p ports) readUDP(etherType uint16, packet stretch) (datagram, abi.Outcome) {
	ip, outcome := readIP(etherType, packet)
	if outcome != undecided {
		return datagram{}, outcome
	}
	udp := packet.from(ip.length - udpLength)
	if !udp.holds(4) {
		return datagram{}, abi.OutcomeHost
	}
	tunnel, ok := p.tunnel(udp.uint16(2))
	if !ok {
		return datagram{}, abi.OutcomeHost
	}
	if ip.firstFragment {
		return datagram{}, abi.OutcomeFragment
	}
	if ip.packetLength > packet.length || ip.packetLength < ip.length || !udp.holds(udpLength) {
		return datagram{}, abi.OutcomeMalformedIP
	}
	length := int(udp.uint16(4))
	if length < udpLength || ip.length-udpLength+length > ip.packetLength {
		return datagram{}, abi.OutcomeMalformedUDP
	}
	return datagram{ip.source, tunnel, udp.to(length).from(udpLength)}, undecided
}
