package cases

import (
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// Group is a policy, and frames that one judge with it sees in this order.
type Group struct {
	Name    string
	Options mirror.Options
	Policy  *mirror.Policy
	Cases   []Case
}

// Policied returns the groups of every part of a policy. No two of them share a
// session, or a datagram's VNI, so that one judge can see all of them, each once.
func Policied() []Group {
	var groups []Group
	for i, add := range []func(*table) Group{
		vnis, unknownDropped, allowedSources, allowedIPv6, noneAllowed, mostSpecific, outputs, namedMAC,
		families, protocols, protocolAndFamily, networks, sourceEdges, destinationEdges, mappedNetworks,
		ports, portsBehind, portsOfFragments,
		firstMatch, noRule, noRules, eitherDirection, largestFilter,
		snapBytes, snapBoth, snapOfJudge, snapHeaders, snapHeaders6, snapHeadersOfOther, snapHeadersCut, snapHeadersOfCapture,
		byPacket, byPacketOfSources, byPacketBehindFilter,
		byFlow, byFlowOneInTwo, byFlowAll, byFlowOfFragments, byFlowOfLateFragments, byFlowBehindFilter,
	} {
		t := table{used: 0x0f0000 + uint32(i)<<12}
		groups = append(groups, add(&t))
	}
	return groups
}

// group returns the cases so far as one.
func (t *table) group(name string, p mirror.Policy) Group {
	return Group{Name: name, Policy: &p, Cases: t.cases}
}

// byDefault returns the policy that treats all sessions alike.
func byDefault(s mirror.SessionPolicy) mirror.Policy {
	s.AnyVNI = true
	s.Outputs = mirror.FirstOutput
	return mirror.Policy{Sessions: []mirror.SessionPolicy{s}}
}

// carry6 returns what AWS sends over IPv6 of an inner frame, in a session of its own.
func (t *table) carry6(inner []byte) frames.Mirrored {
	return frames.FromAWS(inner, t.vni(), eni6.Address, target6)
}

// unwanted adds a case in which the frame's session is refused.
func (t *table) unwanted(name string, outcome abi.Outcome, m frames.Mirrored, mutations ...frames.Mutation) *Case {
	c := t.delivered(name, m, mutations...)
	c.Outcome, c.Consumed = outcome, outcome == abi.OutcomeDeniedSource
	return c
}

// by says which rule takes the packet; 0: none does.
func (c *Case) by(rule int) *Case {
	if rule == 0 {
		c.Outcome = abi.OutcomeFiltered
	}
	c.Rule = uint16(rule)
	return c
}

// ingress says that the packet is one to the mirrored interface.
func (c *Case) ingress() *Case {
	c.Direction = abi.DirectionIngress
	return c
}
