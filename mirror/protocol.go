package mirror

import "strconv"

// IP protocols and IPv6 extension headers, by IANA's registry of protocol numbers.
const (
	ProtocolHopByHop    uint8 = 0
	ProtocolICMP        uint8 = 1
	ProtocolTCP         uint8 = 6
	ProtocolUDP         uint8 = 17
	ProtocolRouting     uint8 = 43
	ProtocolFragment    uint8 = 44
	ProtocolICMPv6      uint8 = 58
	ProtocolDestination uint8 = 60
	ProtocolSCTP        uint8 = 132
)

// HasPorts reports whether the headers of a protocol begin with two ports that are
// looked at: TCP's, UDP's and SCTP's.
func HasPorts(protocol uint8) bool {
	return protocol == ProtocolTCP || protocol == ProtocolUDP || protocol == ProtocolSCTP
}

// Protocol is an IP protocol number, or any. Of IPv6 it is the last next header
// of the chain.
type Protocol struct {
	Number uint8
	Given  bool // false: any
}

// protocolNames are the words for protocols that rules are written and printed with.
var protocolNames = map[uint8]string{
	ProtocolICMP: "icmp", ProtocolTCP: "tcp", ProtocolUDP: "udp", ProtocolICMPv6: "icmp6", ProtocolSCTP: "sctp",
}

// String returns "any", "icmp", "tcp", "udp", "icmp6", "sctp", or else the decimal number.
func (p Protocol) String() string {
	if !p.Given {
		return "any"
	}
	if name, known := protocolNames[p.Number]; known {
		return name
	}
	return strconv.Itoa(int(p.Number))
}

// ProtocolNamed returns the protocol that String names by a word; false: none.
func ProtocolNamed(name string) (protocol uint8, known bool) {
	for number, other := range protocolNames {
		if other == name {
			return number, true
		}
	}
	return 0, false
}

func (p Protocol) matches(h *Headers) bool {
	return !p.Given || (IPFamilies.Has(h.Family) && h.Protocol == p.Number)
}
