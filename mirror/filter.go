package mirror

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Filter is what AWS calls a traffic mirror filter: numbered rules for each
// direction. The rules are in ascending order and the first that matches a packet
// decides; a packet that none matches is not taken.
type Filter struct {
	Name    string
	Ingress []Rule // at most abi.LimitRules, as Egress
	Egress  []Rule
}

// Rule takes or refuses the packets that match all of it. The zero value refuses
// every IP packet.
type Rule struct {
	Number      int // as the user wrote it, from 1
	Accept      bool
	Families    FamilySet    // 0: IPFamilies
	Protocol    Protocol     // the zero value: any
	Source      netip.Prefix // the zero value: any, and no address at all
	Destination netip.Prefix // likewise
	// Ports match packets that have them: TCP, UDP and SCTP, but for the later
	// fragments of a datagram. The zero value also matches packets that have none.
	SourcePorts      Ports
	DestinationPorts Ports
}

// FamilySet is a set of frame kinds: bit f stands for the family f, with or
// without abi.FamilyTagged.
type FamilySet uint16

// AllFamilies has every kind of frame there is, IP or not.
const AllFamilies FamilySet = 1<<abi.FamilyMax - 1

// IPFamilies has IP of any version, tagged or not.
const IPFamilies FamilySet = untaggedIP | untaggedIP<<abi.FamilyTagged

const untaggedIP = 1<<abi.FamilyIPv4 | 1<<abi.FamilyIPv6 | 1<<abi.FamilyIPv6Fragment | 1<<abi.FamilyIPv6Extensions

// Has reports whether a family is in the set.
func (s FamilySet) Has(family abi.Family) bool { return s>>family&1 == 1 }

// Ports is a range of port numbers, both ends included, or any.
type Ports struct {
	First, Last uint16
	Given       bool // false: any
}

// Match is what a filter says of a packet.
type Match struct {
	Accept bool
	// Direction is whose rules have decided. Of a packet of unknown direction that is
	// not accepted they are the egress rules, which are tried last.
	Direction abi.Direction
	Index     int // in that direction's rules, from 0; -1: none matched
}

// Match returns what the first rule to match a packet says. Without a filter (nil)
// everything is accepted, by no rule.
func (f *Filter) Match(d abi.Direction, h *Headers) Match {
	if f == nil {
		return Match{Accept: true, Direction: d, Index: -1}
	}
	switch d {
	case abi.DirectionIngress:
		return firstMatch(d, f.Ingress, h)
	case abi.DirectionEgress:
		return firstMatch(d, f.Egress, h)
	}
	if match := firstMatch(abi.DirectionIngress, f.Ingress, h); match.Accept {
		return match
	}
	return firstMatch(abi.DirectionEgress, f.Egress, h)
}

func firstMatch(d abi.Direction, rules []Rule, h *Headers) Match {
	for i := range rules {
		if rules[i].matches(h) {
			return Match{Accept: rules[i].Accept, Direction: d, Index: i}
		}
	}
	return Match{Direction: d, Index: -1}
}

// RuleID returns the number under which a packet's record names the rule that
// accepted it: from 1 through the ingress rules, then on through the egress rules;
// 0 if none did.
func (f *Filter) RuleID(m Match) uint16 {
	switch {
	case !m.Accept || m.Index < 0:
		return 0
	case m.Direction == abi.DirectionIngress:
		return uint16(m.Index + 1)
	}
	return uint16(len(f.Ingress) + m.Index + 1)
}

// matches says whether a packet has all that the rule names.
func (r *Rule) matches(h *Headers) bool {
	families := r.Families
	if families == 0 {
		families = IPFamilies
	}
	return families.Has(h.Family) &&
		r.Protocol.matches(h) &&
		holdsAddress(r.Source, h.Source) &&
		holdsAddress(r.Destination, h.Destination) &&
		r.SourcePorts.match(h.HasPorts, h.SourcePort) &&
		r.DestinationPorts.match(h.HasPorts, h.DestinationPort)
}

// holdsAddress says whether an address, or its lack, is in a rule's network. An
// IPv4-mapped address is in IPv6 networks alone.
func holdsAddress(network netip.Prefix, address netip.Addr) bool {
	return network == netip.Prefix{} || network.Contains(address)
}

func (p Ports) match(has bool, port uint16) bool {
	return !p.Given || (has && p.First <= port && port <= p.Last)
}
