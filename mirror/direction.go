package mirror

import "github.com/xdpeel/xdpeel/bpf/abi"

// mac is an Ethernet address.
type mac [6]byte

// isInterface says whether the address can be that of one interface.
func (m mac) isInterface() bool {
	isGroup := m[0]&1 != 0
	return !isGroup && m != mac{}
}

// direction says which way an inner frame went, and learns the MAC of the
// mirrored interface from a frame that its addresses tell. The one that the
// policy names, if it is not zero, counts before the learned one.
func (s *session) direction(p payload, in inner, named mac) abi.Direction {
	direction := directionByAddress(p, in)
	if p.etherType != 0 { // its MACs are made up
		return direction
	}
	known := s.mac
	if named != (mac{}) {
		known = named
	}
	destination, source := mac(p.content.data[0:6]), mac(p.content.data[6:12])
	switch direction {
	case abi.DirectionEgress:
		s.learn(source)
	case abi.DirectionIngress:
		s.learn(destination)
	default:
		direction = directionByMAC(known, destination, source)
	}
	return direction
}

// directionByAddress compares the addresses of the inner packet with the outer
// source: the primary address of the mirrored interface.
func directionByAddress(p payload, in inner) abi.Direction {
	switch p.source {
	case in.source:
		return abi.DirectionEgress
	case in.destination:
		return abi.DirectionIngress
	}
	return abi.DirectionUnknown
}

// directionByMAC compares the MACs of the inner frame with the interface's, which
// is zero if it is not known.
func directionByMAC(known, destination, source mac) abi.Direction {
	if known == (mac{}) || source == destination {
		return abi.DirectionUnknown
	}
	switch known {
	case source:
		return abi.DirectionEgress
	case destination:
		return abi.DirectionIngress
	}
	return abi.DirectionUnknown
}

func (s *session) learn(address mac) {
	if s.learns && address.isInterface() {
		s.mac = address
	}
}
