package expression

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/mirror"
)

// Rules are treated as boxes here: sets of packets with a side for each field.

// everything matches every frame.
var everything = mirror.Rule{Families: mirror.AllFamilies}

func accepting(box mirror.Rule) mirror.Rule {
	box.Accept = true
	return box
}

// intersect returns what both boxes match, with the verdict of b; false if that
// is no packet.
func intersect(a, b *mirror.Rule) (both mirror.Rule, ok bool) {
	both.Accept = b.Accept
	if both.Families = a.Families & b.Families; both.Families == 0 {
		return both, false
	}
	if both.Protocol, ok = intersectProtocols(a.Protocol, b.Protocol); !ok {
		return both, false
	}
	if both.SourcePorts, ok = intersectPorts(a.SourcePorts, b.SourcePorts); !ok {
		return both, false
	}
	if both.DestinationPorts, ok = intersectPorts(a.DestinationPorts, b.DestinationPorts); !ok {
		return both, false
	}
	if both.Protocol.Given && !mirror.HasPorts(both.Protocol.Number) && (both.SourcePorts.Given || both.DestinationPorts.Given) {
		return both, false
	}
	if both.Source, ok = intersectPrefixes(a.Source, b.Source); !ok {
		return both, false
	}
	both.Destination, ok = intersectPrefixes(a.Destination, b.Destination)
	return both, ok
}

func intersectProtocols(a, b mirror.Protocol) (mirror.Protocol, bool) {
	if !a.Given {
		return b, true
	}
	return a, !b.Given || a == b
}

func intersectPorts(a, b mirror.Ports) (mirror.Ports, bool) {
	switch {
	case !a.Given:
		return b, true
	case !b.Given:
		return a, true
	}
	both := mirror.Ports{First: max(a.First, b.First), Last: min(a.Last, b.Last), Given: true}
	return both, both.First <= both.Last
}

func intersectPrefixes(a, b netip.Prefix) (netip.Prefix, bool) {
	switch {
	case !a.IsValid():
		return b, true
	case !b.IsValid():
		return a, true
	case a.Bits() < b.Bits():
		return b, a.Contains(b.Addr())
	}
	return a, b.Contains(a.Addr())
}

// covers reports whether a matches all that b matches, given that a's networks hold
// those of b.
func covers(a, b *mirror.Rule) bool {
	return b.Families&^a.Families == 0 && (!a.Protocol.Given || a.Protocol == b.Protocol) &&
		coversPorts(a.SourcePorts, b.SourcePorts) && coversPorts(a.DestinationPorts, b.DestinationPorts)
}

func coversPorts(a, b mirror.Ports) bool {
	return !a.Given || b.Given && a.First <= b.First && b.Last <= a.Last
}
