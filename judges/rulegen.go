package judges

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

func (m *policyMaker) filter() *mirror.Filter {
	return &mirror.Filter{Ingress: m.rules(), Egress: m.rules()}
}

// rules are few as a rule, at times more than a word, a chunk or a group of the
// tables holds. However many they are, some twenty of them are about the cast, all
// over the list or at its end, so that a packet may be decided by any.
func (m *policyMaker) rules() []mirror.Rule {
	d := m.dice
	most := pickWeighted(d, []weighted[int]{{30, 4}, {25, 20}, {25, 200}, {15, 1200}, {5, abi.LimitRules}})
	rules := make([]mirror.Rule, d.between(0, most))
	atEnd := d.percent(50)
	number := 0
	for i := range rules {
		number += d.between(1, 3)
		rules[i] = m.rule()
		rules[i].Number = number
		if atEnd && i < len(rules)-20 || !atEnd && d.below(len(rules)) >= 20 {
			other := newIP(d, pick(d, 4, 6))
			rules[i].Source = netip.PrefixFrom(other.addr(), 8*len(other.slice()))
		}
	}
	return rules
}

func (m *policyMaker) rule() mirror.Rule {
	d := m.dice
	r := mirror.Rule{Accept: d.percent(60)}
	if d.percent(30) {
		r.Families = m.families()
	}
	if d.percent(35) {
		r.Protocol = mirror.Protocol{Number: pick(d, innerProtocols...), Given: true}
	}
	if d.percent(35) {
		r.Source = m.address()
	}
	if d.percent(35) {
		r.Destination = m.address()
	}
	if d.percent(20) {
		r.SourcePorts = m.ports()
	}
	if d.percent(20) {
		r.DestinationPorts = m.ports()
	}
	return r
}

func (m *policyMaker) families() mirror.FamilySet {
	d := m.dice
	one := mirror.FamilySet(1) << d.below(int(abi.FamilyMax))
	return pick(d, mirror.AllFamilies, mirror.AllFamilies, mirror.IPFamilies, one, mirror.AllFamilies&^one,
		mirror.FamilySet(d.Uint64()))
}

func (m *policyMaker) address() netip.Prefix {
	d := m.dice
	of := m.cast.inner(d, pick(d, 4, 4, 6)).addr()
	return m.network(of)
}

// ports returns a range that a port of the flows begins, ends, or just is not in.
func (m *policyMaker) ports() mirror.Ports {
	d := m.dice
	edge := pick(d, innerPorts...)
	first, last := 0, 0xffff
	switch d.below(5) {
	case 0:
		first, last = edge, edge
	case 1:
		last = edge
	case 2:
		first = edge
	case 3:
		last = max(edge-1, 0)
	case 4:
		first = min(edge+1, 0xffff)
	}
	if d.percent(20) {
		last = min(0xffff, first+d.below(2000))
	}
	return mirror.Ports{First: uint16(first), Last: uint16(max(first, last)), Given: true}
}
