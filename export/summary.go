package export

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// EtherTypes that only a summary knows, by the IEEE 802 registry.
const (
	etherTypeMPLS    uint16 = 0x8847
	etherTypeMPLSTop uint16 = 0x8848 // upstream-assigned label

	// Up to here it is the length of an IEEE 802.3 frame.
	etherTypeLengthMax uint16 = 1500
)

// protocolNames are as tcpdump writes them.
var protocolNames = map[uint8]string{
	mirror.ProtocolICMP: "ICMP", 2: "IGMP", 4: "IP-in-IP", mirror.ProtocolTCP: "TCP", mirror.ProtocolUDP: "UDP",
	41: "IP6-in-IP", 47: "GRE", 50: "ESP", 51: "AH", mirror.ProtocolICMPv6: "ICMP6", 59: "no-next-header",
	89: "OSPF", 103: "PIM", 112: "VRRP", mirror.ProtocolSCTP: "SCTP",
}

// needed is how many bytes of a protocol's header a summary cannot do without.
func needed(protocol uint8) int {
	switch {
	case mirror.HasPorts(protocol):
		return 4
	case protocol == mirror.ProtocolICMP, protocol == mirror.ProtocolICMPv6:
		return 1 // the type
	}
	return 0
}

// echoNames are the types of ICMP (RFC 792) and ICMPv6 (RFC 4443) that get a name.
var echoNames = map[uint8]map[byte]string{
	mirror.ProtocolICMP:   {8: " echo request", 0: " echo reply"},
	mirror.ProtocolICMPv6: {128: " echo request", 129: " echo reply"},
}

// What stands in place of what the bytes at hand do not tell.
const (
	cut       = "[cut]"       // the frame ends within a header
	malformed = "[malformed]" // an IP header that contradicts itself
)

// Summary says in a few words what an Ethernet frame is, as a line of Lines does.
func Summary(frame []byte) string { return string(appendFrame(nil, frame)) }

// appendFrame says what an Ethernet frame is.
func appendFrame(dst, frame []byte) []byte {
	if len(frame) < 14 {
		return append(dst, cut...)
	}
	next, payload := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	for tags := 0; (next == mirror.EtherTypeVLAN || next == mirror.EtherTypeQinQ) && tags < abi.LimitInnerVLANs; tags++ {
		if len(payload) < 4 {
			return append(dst, cut...)
		}
		dst = append(dst, "vlan "...)
		dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(payload)&0xfff), 10)
		dst = append(dst, ", "...)
		next, payload = binary.BigEndian.Uint16(payload[2:]), payload[4:]
	}
	switch {
	case next == mirror.EtherTypeIPv4:
		return appendIPv4(append(dst, "IP "...), payload)
	case next == mirror.EtherTypeIPv6:
		return appendIPv6(append(dst, "IP6 "...), payload)
	case next == mirror.EtherTypeARP:
		return append(dst, "ARP"...)
	case next == etherTypeMPLS, next == etherTypeMPLSTop:
		return append(dst, "MPLS"...)
	case next <= etherTypeLengthMax:
		return append(dst, "802.3"...)
	}
	dst = append(dst, "0x0000"...)
	putHex(dst[len(dst)-4:], uint64(next))
	return dst
}

// appendIPv4 says what an IPv4 packet is (RFC 791).
func appendIPv4(dst, packet []byte) []byte {
	if len(packet) < 1 {
		return append(dst, cut...)
	}
	header := int(packet[0]&0xf) * 4
	if packet[0]>>4 != 4 || header < 20 {
		return append(dst, malformed...)
	}
	if len(packet) < 20 {
		return append(dst, cut...)
	}
	source, destination := netip.AddrFrom4([4]byte(packet[12:])), netip.AddrFrom4([4]byte(packet[16:]))
	t := transport{protocol: packet[9]}
	t.isLaterFragment = binary.BigEndian.Uint16(packet[6:])&0x1fff != 0
	// Behind the total length there is padding. Zero is what an offloading sender leaves.
	if total := int(binary.BigEndian.Uint16(packet[2:])); total >= header && total < len(packet) {
		packet = packet[:total]
	}
	if header < len(packet) {
		t.bytes = packet[header:]
	}
	return t.append(dst, source, destination)
}

// appendIPv6 says what an IPv6 packet is (RFC 8200).
func appendIPv6(dst, packet []byte) []byte {
	if len(packet) < 1 {
		return append(dst, cut...)
	}
	if packet[0]>>4 != 6 {
		return append(dst, malformed...)
	}
	if len(packet) < 40 {
		return append(dst, cut...)
	}
	source, destination := netip.AddrFrom16([16]byte(packet[8:])), netip.AddrFrom16([16]byte(packet[24:]))
	t := transport{protocol: packet[6], bytes: packet[40:]}
	// Zero is a jumbogram's length, or an offloading sender's.
	if length := int(binary.BigEndian.Uint16(packet[4:])); length > 0 && length < len(t.bytes) {
		t.bytes = t.bytes[:length]
	}
	t.skipExtensions()
	return t.append(dst, source, destination)
}

// transport is what an IP packet carries.
type transport struct {
	protocol        uint8  // by mirror's numbers
	isLaterFragment bool   // bytes do not begin with a header
	isCut           bool   // protocol is not known: the frame ends within an extension header
	bytes           []byte // as far as they are at hand
}

// skipExtensions goes on to what is behind the IPv6 extension headers.
func (t *transport) skipExtensions() {
	for range abi.LimitIPv6Extensions {
		var length int
		switch t.protocol {
		case mirror.ProtocolHopByHop, mirror.ProtocolRouting, mirror.ProtocolDestination:
			if len(t.bytes) >= 2 {
				length = 8 + 8*int(t.bytes[1])
			}
		case mirror.ProtocolFragment:
			length = 8
		default:
			return
		}
		if length == 0 || len(t.bytes) < length {
			t.isCut = true
			return
		}
		if t.protocol == mirror.ProtocolFragment && binary.BigEndian.Uint16(t.bytes[2:])&0xfff8 != 0 {
			t.isLaterFragment = true
		}
		t.protocol, t.bytes = t.bytes[0], t.bytes[length:]
		if t.isLaterFragment {
			return
		}
	}
}

// append says from where to where it goes, and what it is.
func (t *transport) append(dst []byte, source, destination netip.Addr) []byte {
	isCut := t.isCut || !t.isLaterFragment && len(t.bytes) < needed(t.protocol)
	hasPorts := mirror.HasPorts(t.protocol) && !t.isLaterFragment && !isCut

	dst = source.AppendTo(dst)
	if hasPorts {
		dst = appendPort(dst, t.bytes)
	}
	dst = append(dst, " > "...)
	dst = destination.AppendTo(dst)
	if hasPorts {
		dst = appendPort(dst, t.bytes[2:])
	}
	dst = append(dst, ": "...)
	if t.isCut {
		return append(dst, cut...)
	}

	dst = appendProtocol(dst, t.protocol)
	switch {
	case t.isLaterFragment:
		return append(dst, " frag"...)
	case isCut:
		return append(dst, " "+cut...)
	case t.protocol == mirror.ProtocolTCP:
		return appendTCPFlags(append(dst, ' '), t.bytes)
	}
	if names, isICMP := echoNames[t.protocol]; isICMP {
		dst = append(dst, names[t.bytes[0]]...)
	}
	return dst
}

// appendPort appends the way tcpdump joins a port to its address.
func appendPort(dst, port []byte) []byte {
	return strconv.AppendUint(append(dst, '.'), uint64(binary.BigEndian.Uint16(port)), 10)
}

func appendProtocol(dst []byte, p uint8) []byte {
	if name, known := protocolNames[p]; known {
		return append(dst, name...)
	}
	return strconv.AppendUint(append(dst, "ip-proto-"...), uint64(p), 10)
}

// appendTCPFlags appends the flags in tcpdump's letters, lowest bit first (RFC 9293, RFC 3168).
func appendTCPFlags(dst, header []byte) []byte {
	if len(header) < 14 {
		return append(dst, cut...)
	}
	flags := header[13]
	if flags == 0 {
		return append(dst, "[none]"...)
	}
	dst = append(dst, '[')
	for bit, letter := range []byte("FSRP.UEW") {
		if flags>>bit&1 != 0 {
			dst = append(dst, letter)
		}
	}
	return append(dst, ']')
}
