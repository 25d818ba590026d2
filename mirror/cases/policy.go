package cases

import (
	"fmt"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// vnis is a policy of VNIs alone: 0, 7 and 0xffffff.
func vnis(t *table) Group {
	carry := func(vni uint32) frames.Mirrored { return frames.FromAWS(egress, vni, eni.Address, target) }
	geneve := func(vni uint32) frames.Mirrored {
		m := t.goodGENEVE()
		m.IP.Source = third.Address
		m.Tunnel = frames.GENEVE{VNI: vni, Protocol: frames.EtherTypeEthernet}.Header()
		return m
	}
	for _, vni := range []uint32{0, 7, 0xffffff} {
		t.delivered(fmt.Sprintf("vni %d", vni), carry(vni))
		t.delivered(fmt.Sprintf("geneve vni %d", vni), geneve(vni)).unknown()
	}
	for _, vni := range []uint32{1, 6, 8, 0x700, 0x070000, 0xfffffe} {
		t.unwanted(fmt.Sprintf("vni %d", vni), abi.OutcomeUnknownSession, carry(vni))
		t.unwanted(fmt.Sprintf("geneve vni %d", vni), abi.OutcomeUnknownSession, geneve(vni))
	}
	t.left("unwanted, udp length wrong", abi.OutcomeMalformedUDP, carry(8), frames.AddUDPLength(1))
	t.left("unwanted, inner frame of 13 bytes", abi.OutcomeMalformedInner, carry(8), frames.SetUDPLength(8+8+13))
	// What counts is the VNI of the VXLAN layer, not the 0 of the balancer's.
	t.unwanted("gwlb vni 8", abi.OutcomeUnknownSession, carry(8)).within(t.balancer().Carry(carry(8).Packet()))
	t.stripped("gwlb vni 7", frames.FromAWS(egress6, 7, eni6.Address, target6))
	t.stays("unwanted, i flag clear", carry(8), frames.SetTunnel(0, 0))
	return t.group("vnis", *mirror.TakeVNIs([]uint32{0, 7, 0xffffff, 7}))
}

// unknownDropped takes from the host what nobody asked for, and nothing else.
func unknownDropped(t *table) Group {
	known := t.good()
	t.delivered("known", known)
	t.unwanted("unknown", abi.OutcomeUnknownSession, t.good()).Consumed = true
	t.unwanted("unknown, ipv6", abi.OutcomeUnknownSession, t.good6()).Consumed = true
	bare := t.unwanted("unknown, bare", abi.OutcomeUnknownSession, t.bareGENEVE(frames.EtherTypeIPv4, egress[14:]))
	bare.bare(frames.EtherTypeIPv4, egress[14:]).Consumed = true
	t.left("malformed", abi.OutcomeMalformedUDP, t.good(), frames.AddUDPLength(1))
	t.left("another port", abi.OutcomeHost, t.good(), frames.SetIP(9, frames.ProtocolTCP))
	fragment := t.good()
	fragment.IP.MoreFragments = true
	t.left("fragment", abi.OutcomeFragment, fragment)
	policy := *mirror.TakeVNIs([]uint32{t.cases[0].VNI})
	policy.DropUnknown = true
	return t.group("unknown sessions dropped", policy)
}

// prefixes returns networks.
func prefixes(list ...string) []netip.Prefix {
	networks := []netip.Prefix{}
	for _, text := range list {
		networks = append(networks, netip.MustParsePrefix(text))
	}
	return networks
}

// from returns what AWS sends from a source, which is not of the conversation in it.
func (t *table) from(source string) frames.Mirrored {
	address, to := netip.MustParseAddr(source), target
	if address.Is6() {
		to = target6
	}
	return frames.FromAWS(frames.ARPFrame(eni, other), t.vni(), address, to)
}

// allowedSources is a list of both IP versions, at the edges of its networks.
func allowedSources(t *table) Group {
	allowed := func(source string) { t.delivered("allowed "+source, t.from(source)).unknown() }
	denied := func(source string) {
		t.unwanted("denied "+source, abi.OutcomeDeniedSource, t.from(source)).unknown()
	}
	for _, source := range []string{
		"10.0.12.0", "10.0.12.255", "192.0.2.7",
		"2001:db8:12::", "2001:db8:12:ffff:ffff:ffff:ffff:ffff", "2001:db8::1",
	} {
		allowed(source)
	}
	for _, source := range []string{
		"10.0.11.255", "10.0.13.0", "192.0.2.6", "192.0.2.8", "0.0.0.0", "255.255.255.255",
		"2001:db8:11:ffff:ffff:ffff:ffff:ffff", "2001:db8:13::", "2001:db8::", "2001:db8::2",
		"::", "::10.0.12.1", "64:ff9b::10.0.12.1",
	} {
		denied(source)
	}
	t.delivered("allowed, mapped", t.from("::ffff:10.0.12.7")).unknown().Source = netip.MustParseAddr("10.0.12.7")
	t.unwanted("denied, mapped", abi.OutcomeDeniedSource, t.from("::ffff:10.0.13.7")).Source = netip.MustParseAddr("10.0.13.7")

	t.left("denied, malformed", abi.OutcomeMalformedUDP, t.from("10.0.13.7"), frames.AddUDPLength(1))
	t.left("denied, another port", abi.OutcomeHost, t.from("10.0.13.7"), frames.SetIP(9, frames.ProtocolTCP))
	// The source is that of the VXLAN layer, whatever the balancer's.
	t.stripped("allowed in a balancer's", t.good())
	second := t.from("10.0.13.7")
	t.unwanted("denied in an allowed balancer's", abi.OutcomeDeniedSource, second).
		within(t.allowedBalancer().Carry(second.Packet()))
	t.delivered("bare, allowed", t.bareGENEVE(frames.EtherTypeIPv4, egress[14:])).bare(frames.EtherTypeIPv4, egress[14:])
	denying := t.bareGENEVE(frames.EtherTypeIPv4, egress[14:])
	denying.IP.Source = other.Address
	t.unwanted("bare, denied", abi.OutcomeDeniedSource, denying).bare(frames.EtherTypeIPv4, egress[14:])

	policy := *mirror.TakeAll()
	policy.AllowSources = prefixes("10.0.12.0/24", "192.0.2.7/32", "2001:db8:12::/48", "2001:db8::1/128")
	return t.group("allowed sources", policy)
}

// allowedBalancer returns one whose own address is among the allowed sources.
func (t *table) allowedBalancer() frames.GatewayLoadBalancer {
	balancer := t.balancer()
	balancer.Source = netip.MustParseAddr("10.0.12.200")
	return balancer
}

// allowedIPv6 denies all IPv4, and denies before it asks whose session it is.
func allowedIPv6(t *table) Group {
	t.delivered("ipv6", t.good6())
	t.unwanted("ipv4, known", abi.OutcomeDeniedSource, frames.FromAWS(egress, t.cases[0].VNI, eni.Address, target))
	t.unwanted("ipv4, unknown", abi.OutcomeDeniedSource, t.good())
	t.unwanted("ipv4, unknown, again", abi.OutcomeDeniedSource, frames.FromAWS(egress, t.cases[2].VNI, eni.Address, target))
	mapped := t.from("::ffff:10.0.12.59")
	t.unwanted("mapped", abi.OutcomeDeniedSource, mapped).Source = eni.Address
	t.unwanted("ipv6, unknown", abi.OutcomeUnknownSession, t.good6()).Consumed = true
	policy := *mirror.TakeVNIs([]uint32{t.cases[0].VNI})
	policy.AllowSources, policy.DropUnknown = prefixes("::/0"), true
	return t.group("ipv6 sources allowed", policy)
}

// noneAllowed is a list of no networks, which is not the same as none.
func noneAllowed(t *table) Group {
	t.unwanted("ipv4", abi.OutcomeDeniedSource, t.good())
	t.unwanted("ipv6", abi.OutcomeDeniedSource, t.good6())
	t.left("malformed", abi.OutcomeMalformedUDP, t.good(), frames.AddUDPLength(1))
	policy := *mirror.TakeAll()
	policy.AllowSources = prefixes()
	return t.group("no source allowed", policy)
}

// mostSpecific tells by the outputs which of a policy's sessions has applied. Their
// order in the policy does not count.
func mostSpecific(t *table) Group {
	both, sourceOnly, anyOnly := t.vni(), t.vni(), t.vni()
	const (
		ofDefault = mirror.OutputSet(1) << iota
		byVNI
		bySource
		bySource6
		byMapped
	)
	see := func(name string, vni uint32, source string, outputs mirror.OutputSet) {
		m := t.from(source)
		m.Tunnel = frames.VXLAN(vni)
		c := t.delivered(name, m).unknown()
		c.Source, c.Outputs = c.Source.Unmap(), outputs
	}
	see("vni and source", both, "10.0.12.59", bySource)
	see("vni and source, mapped", both, "::ffff:10.0.12.59", bySource)
	see("vni and source, named as mapped", both, "10.0.12.61", byMapped)
	see("vni and source of ipv6", both, "2001:db8:12::59", bySource6)
	see("vni and another source", both, "10.0.12.60", byVNI)
	see("vni and another source of ipv6", both, "2001:db8:12::5a", byVNI)
	see("vni and source alone", sourceOnly, "10.0.12.59", bySource)
	see("vni that is there with another source", sourceOnly, "10.0.12.60", ofDefault)
	see("vni alone", anyOnly, "10.0.12.59", byVNI)
	see("another vni", t.vni(), "10.0.12.59", ofDefault)
	see("vni 0", 0, "10.0.12.62", ofDefault)

	address := netip.MustParseAddr
	return t.group("most specific", mirror.Policy{Sessions: []mirror.SessionPolicy{
		{VNI: both, Source: address("10.0.12.59"), Outputs: bySource},
		{AnyVNI: true, Outputs: ofDefault},
		{VNI: both, Outputs: byVNI},
		{VNI: both, Source: address("2001:db8:12::59"), Outputs: bySource6},
		{VNI: both, Source: address("::ffff:10.0.12.61"), Outputs: byMapped},
		{VNI: anyOnly, Outputs: byVNI},
		{VNI: sourceOnly, Source: address("10.0.12.59"), Outputs: bySource},
	}})
}

// outputs is sets of them, from none to all.
func outputs(t *table) Group {
	var policy mirror.Policy
	for _, set := range []mirror.OutputSet{0, 1, 2, 3, 1 << 31, 0x80000001, 1<<32 - 1} {
		c := t.delivered(fmt.Sprintf("outputs %#x", uint32(set)), t.good())
		c.Outputs = set
		policy.Sessions = append(policy.Sessions, mirror.SessionPolicy{VNI: c.VNI, Outputs: set})
	}
	return t.group("outputs", policy)
}

// namedMAC is the direction by the MAC that the policy names: before the learned
// one, and behind the addresses.
func namedMAC(t *table) Group {
	s := story{table: *t, vniOfAll: t.vni()}
	s.see("from it", arp(third.MAC, other.MAC), isEgress)
	s.see("to it", arp(other.MAC, third.MAC), isIngress)
	s.see("from it to itself", arp(third.MAC, third.MAC), unknown)
	s.see("from another", arp(eni.MAC, other.MAC), unknown)
	s.see("egress by address, from another", from(eni.MAC), isEgress)
	s.see("what that tells is not believed", arp(eni.MAC, other.MAC), unknown)
	s.see("from it still", arp(third.MAC, other.MAC), isEgress)
	s.see("ingress by address, from it", frames.TCPFrame(
		frames.Peer{MAC: third.MAC, Address: other.Address}, eni, nil), isIngress)
	payload := frames.Payload(28)
	bare := frames.FromAWS(payload, 0, eni.Address, target)
	bare.UDP.Destination = frames.PortGENEVE
	bare.Tunnel = frames.GENEVE{VNI: s.vniOfAll, Protocol: frames.EtherTypeARP}.Header()
	s.delivered("bare payload", bare).bare(frames.EtherTypeARP, payload).unknown()
	*t = s.table

	learned := t.vni()
	session := func(inner []byte) frames.Mirrored { return frames.FromAWS(inner, learned, eni.Address, target) }
	t.delivered("session that names none, egress", session(egress))
	t.delivered("session that names none, from the learned", session(arp(eni.MAC, other.MAC)))
	t.delivered("session that names none, from the other's", session(arp(third.MAC, other.MAC))).unknown()
	policy := *mirror.TakeAll()
	policy.Sessions = append(policy.Sessions, mirror.SessionPolicy{VNI: s.vniOfAll, MAC: third.MAC, Outputs: mirror.FirstOutput})
	return t.group("mac named", policy)
}
