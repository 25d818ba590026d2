package mirror

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Fragment is what part of a fragmented IP datagram a packet is.
type Fragment uint8

// The values of Fragment.
const (
	FragmentNone  Fragment = iota // not a part, but a whole
	FragmentFirst                 // has the transport header
	FragmentLater                 // has no ports
)

// Headers are what filters and flows look at of an inner frame.
type Headers struct {
	Family   abi.Family // with abi.FamilyTagged, if it is tagged
	Protocol uint8      // 0 of frames that are not IP
	// The addresses of IPv4 and IPv6, or of an ARP packet's two ends; the zero Addr
	// where there is none. IPv4-mapped IPv6 addresses stay IPv6.
	Source, Destination netip.Addr
	HasPorts            bool
	SourcePort          uint16
	DestinationPort     uint16
	Fragment            Fragment
	FragmentID          uint32 // identification; 16 bits of IPv4, 32 of IPv6; 0 of what is no fragment
	// End is where the last header ends, in bytes from the start of the inner
	// Ethernet header: where `snaplen: headers` cuts. It may be behind the frame's
	// own end.
	End int
}

// ReadHeaders reads the headers of an inner frame as it arrived, from its Ethernet
// header on (of a bare payload the made-up one).
func ReadHeaders(frame []byte) Headers {
	whole := newStretch(frame, len(frame))
	if !whole.holds(EthernetLength) {
		return Headers{End: EthernetLength}
	}
	return readHeaders(whole.uint16(12), whole.from(EthernetLength))
}

// headers reads the headers of what a tunnel carries.
func (p payload) headers() Headers {
	if p.etherType == 0 {
		return ReadHeaders(p.content.data)
	}
	content := p.content
	content.offset = EthernetLength
	return readHeaders(p.etherType, content)
}

// readHeaders reads what is behind an Ethernet header. The offset of rest counts
// from the start of that.
func readHeaders(etherType uint16, rest stretch) Headers {
	h := Headers{End: rest.offset}
	for range abi.LimitInnerVLANs {
		if !isTag(etherType) {
			break
		}
		if !rest.holds(tagLength) {
			return h
		}
		h.Family = abi.FamilyTagged
		etherType, rest = rest.uint16(2), rest.from(tagLength)
		h.End = rest.offset
	}
	switch etherType {
	case EtherTypeIPv4:
		h.readIPv4(rest)
	case EtherTypeIPv6:
		h.readIPv6(rest)
	case EtherTypeARP:
		h.readARP(abi.FamilyARP, rest)
	case etherTypeRARP:
		h.readARP(abi.FamilyRARP, rest)
	}
	return h
}

func (h *Headers) readIPv4(packet stretch) {
	if !packet.holds(ipv4Length) || packet.data[0]>>4 != 4 || ipv4HeaderLength(packet) < ipv4Length {
		return
	}
	h.Family |= abi.FamilyIPv4
	h.Protocol = packet.data[9]
	h.Source = netip.AddrFrom4([4]byte(packet.data[12:]))
	h.Destination = netip.AddrFrom4([4]byte(packet.data[16:]))
	const moreFragments, offset = 0x2000, 0x1fff
	field := packet.uint16(6)
	h.setFragment(field&offset != 0, field&moreFragments != 0, uint32(packet.uint16(4)))
	h.readTransport(packet.from(ipv4HeaderLength(packet)))
}

func (h *Headers) readIPv6(packet stretch) {
	if !packet.holds(ipv6Length) || packet.data[0]>>4 != 6 {
		return
	}
	h.Source = netip.AddrFrom16([16]byte(packet.data[8:]))
	h.Destination = netip.AddrFrom16([16]byte(packet.data[24:]))
	family, next, rest := abi.FamilyIPv6, packet.data[6], packet.from(ipv6Length)
	for walked := 0; walked < abi.LimitIPv6Extensions; walked++ {
		// Behind a later fragment's header is the middle of something.
		if !isExtension(next) || !rest.holds(4) || h.Fragment == FragmentLater {
			break
		}
		length := (int(rest.data[1]) + 1) * 8
		if next == ProtocolFragment {
			h.readFragment(rest)
			length = 8 // its second byte is reserved
		}
		if family == abi.FamilyIPv6 && next == ProtocolFragment {
			family = abi.FamilyIPv6Fragment
		} else {
			family = abi.FamilyIPv6Extensions
		}
		next, rest = rest.data[0], rest.from(length)
	}
	h.Family |= family
	h.Protocol = next
	h.readTransport(rest)
}

// readFragment reads an IPv6 fragment header (RFC 8200 section 4.5), of which the
// first four bytes are at hand.
func (h *Headers) readFragment(header stretch) {
	const offset, moreFragments = 0xfff8, 0x0001
	field := header.uint16(2)
	var id uint32
	if header.holds(8) {
		id = header.uint32(4)
	}
	h.setFragment(field&offset != 0, field&moreFragments != 0, id)
}

// setFragment takes note of what a fragment header says, instead of what another
// one before it said.
func (h *Headers) setFragment(hasOffset, moreFragments bool, id uint32) {
	switch {
	case hasOffset:
		h.Fragment, h.FragmentID = FragmentLater, id
	case moreFragments:
		h.Fragment, h.FragmentID = FragmentFirst, id
	default:
		h.Fragment, h.FragmentID = FragmentNone, 0
	}
}

// readTransport reads what is behind the last IP or extension header.
func (h *Headers) readTransport(transport stretch) {
	h.End = transport.offset
	if h.Fragment == FragmentLater {
		return
	}
	switch h.Protocol {
	case ProtocolTCP:
		h.readPorts(transport)
		h.End += tcpHeaderLength(transport)
	case ProtocolUDP:
		h.readPorts(transport)
		h.End += udpLength
	case ProtocolSCTP:
		h.readPorts(transport)
		h.End += sctpLength
	case ProtocolICMP, ProtocolICMPv6:
		h.End += icmpLength
	}
}

func (h *Headers) readPorts(transport stretch) {
	if transport.holds(4) {
		h.HasPorts, h.SourcePort, h.DestinationPort = true, transport.uint16(0), transport.uint16(2)
	}
}

// tcpHeaderLength returns the length in bytes of a TCP header with its options
// (RFC 9293 section 3.1).
func tcpHeaderLength(segment stretch) int {
	const dataOffset = 12
	if !segment.holds(dataOffset + 1) {
		return tcpLength
	}
	return max(tcpLength, int(segment.data[dataOffset]>>4)*4)
}

// readARP reads an ARP or RARP packet (RFC 826, RFC 903) of IPv4 and Ethernet.
func (h *Headers) readARP(family abi.Family, packet stretch) {
	const sender, target, length = 14, 24, 28
	h.Family |= family
	if packet.holds(length) {
		h.Source = netip.AddrFrom4([4]byte(packet.data[sender:]))
		h.Destination = netip.AddrFrom4([4]byte(packet.data[target:]))
	}
	h.End = packet.offset + len(packet.data)
}
