package cases

import (
	"fmt"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// numbered returns rules, numbered by tens.
func numbered(rules ...mirror.Rule) []mirror.Rule {
	for i := range rules {
		rules[i].Number = (i + 1) * 10
	}
	return rules
}

// accepting returns rules that accept, numbered by tens.
func accepting(rules ...mirror.Rule) []mirror.Rule {
	for i := range rules {
		rules[i].Accept = true
	}
	return numbered(rules...)
}

// filteredBy returns the cases so far as a group, of which all is filtered by the
// same rules in both directions.
func (t *table) filteredBy(name string, rules []mirror.Rule) Group {
	return t.filterGroup(name, mirror.Filter{Ingress: rules, Egress: rules})
}

func (t *table) filterGroup(name string, filter mirror.Filter) Group {
	filter.Name = name
	return t.group(name, byDefault(mirror.SessionPolicy{Filter: &filter}))
}

// egressIP returns the frame of an IP packet that the interface sends.
func egressIP(header frames.IP, payload []byte) []byte {
	header.Source, header.Destination = eni.Address, other.Address
	return frames.Ethernet(other.MAC, eni.MAC, frames.EtherTypeIPv4, header.Packet(payload))
}

// egressIPv6 returns the same of IPv6.
func egressIPv6(protocol uint8, payload []byte, extensions ...frames.Extension) []byte {
	header := frames.IP{Source: eni6.Address, Destination: other6.Address, Protocol: protocol, Extensions: extensions}
	return frames.Ethernet(other.MAC, eni.MAC, frames.EtherTypeIPv6, header.Packet(payload))
}

// between returns a frame of a conversation that the interface has no part in, so
// that its direction is unknown.
func between(source, destination string) []byte {
	return frames.UDPFrame(peer(source, third.MAC, 1000), peer(destination, other.MAC, 2000), frames.Payload(8))
}

// firstMatch is rules that cross: the order of their numbers decides, for accepting
// and for rejecting.
func firstMatch(t *table) Group {
	const ingressRules = 6
	see := func(name string, source, destination uint16, rule int) {
		from, to := eni, other
		from.Port, to.Port = source, destination
		if rule != 0 {
			rule += ingressRules
		}
		t.delivered(fmt.Sprintf("%s, %d to %d", name, source, destination), t.carry(frames.TCPFrame(from, to, nil))).by(rule)
	}
	see("reject before accept", 1, 80, 0)
	see("accept before reject", 1, 85, 2)
	see("accept at the range's end", 1, 89, 2)
	see("reject of what the range before has left", 1, 90, 0)
	see("accept by the source port", 7, 90, 3)
	see("accept by the source port, rejected before", 7, 80, 0)
	see("reject alone", 1, 22, 0)
	see("accept behind all", 1, 443, 6)
	return t.filteredBy("first match", numbered(
		mirror.Rule{DestinationPorts: portRange(80, 80)},
		mirror.Rule{Accept: true, DestinationPorts: portRange(80, 89)},
		mirror.Rule{Accept: true, SourcePorts: portRange(7, 7)},
		mirror.Rule{DestinationPorts: portRange(85, 99)},
		mirror.Rule{DestinationPorts: portRange(22, 22)},
		mirror.Rule{Accept: true},
	))
}

// noRule is a direction without a rule: nothing of it is taken.
func noRule(t *table) Group {
	t.delivered("egress", t.good()).by(1)
	t.delivered("ingress", t.carry(ingress)).ingress().by(0)
	t.delivered("unknown", t.carry(between("192.0.2.1", "192.0.2.2"))).unknown().by(1)
	t.delivered("not ip", t.carry(frames.ARPFrame(eni, other))).unknown().by(0)
	t.delivered("egress, ipv6", t.good6()).by(1)
	return t.filterGroup("no ingress rule", mirror.Filter{Egress: accepting(mirror.Rule{})})
}

// noRules is a filter without any.
func noRules(t *table) Group {
	t.delivered("egress", t.good()).by(0)
	t.delivered("ingress", t.carry(ingress)).ingress().by(0)
	t.delivered("unknown", t.carry(between("192.0.2.1", "192.0.2.2"))).unknown().by(0)
	t.delivered("cut", t.carry(egress[:60])).cutFrom(len(egress)).by(0)
	t.delivered("ethernet header alone", t.carry(egress[:14])).unknown().cutFrom(14).by(0)
	t.delivered("bare", t.bareGENEVE(frames.EtherTypeIPv4, egress[14:])).bare(frames.EtherTypeIPv4, egress[14:]).by(0)
	t.stripped("gwlb", t.good()).by(0)
	t.left("malformed", abi.OutcomeMalformedUDP, t.good(), frames.AddUDPLength(1))
	return t.filterGroup("no rule", mirror.Filter{})
}

// eitherDirection is rules that differ, and packets of unknown direction that are
// tried by both.
func eitherDirection(t *table) Group {
	const ingressRules = 4
	t.delivered("egress", t.good()).by(ingressRules + 5)
	t.delivered("ingress", t.carry(ingress)).ingress().by(4)
	see := func(name, source string, rule int) {
		t.delivered("unknown, "+name, t.carry(between(source, "198.51.100.9"))).unknown().by(rule)
	}
	see("accepted by both", "192.0.2.1", 1)
	see("rejected by ingress, accepted by egress", "192.0.2.2", ingressRules+2)
	see("not matched by ingress, accepted by egress", "192.0.2.3", ingressRules+3)
	see("rejected by both", "192.0.2.4", 0)
	see("matched by neither", "192.0.2.5", 0)
	host := func(accept bool, address string) mirror.Rule {
		return mirror.Rule{Accept: accept, Source: netip.MustParsePrefix(address + "/32")}
	}
	return t.filterGroup("either direction", mirror.Filter{
		Ingress: numbered(host(true, "192.0.2.1"), host(false, "192.0.2.2"), host(false, "192.0.2.4"), host(true, "198.51.100.7")),
		Egress: numbered(host(true, "192.0.2.1"), host(true, "192.0.2.2"), host(true, "192.0.2.3"),
			host(false, "192.0.2.4"), host(true, "10.0.12.59")),
	})
}

// largestFilter has as many rules as there may be, each for one destination port.
func largestFilter(t *table) Group {
	rules := make([]mirror.Rule, abi.LimitRules)
	for i := range rules {
		port := uint16(i)
		rules[i] = mirror.Rule{DestinationPorts: portRange(port, port)}
	}
	for _, port := range []int{0, 1, 63, 64, 65, 4095, 4096, abi.LimitRules - 1} {
		to, back := other, eni
		to.Port, back.Port = uint16(port), uint16(port)
		t.delivered(fmt.Sprintf("egress to %d", port), t.carry(frames.UDPFrame(eni, to, nil))).by(abi.LimitRules + port + 1)
		t.delivered(fmt.Sprintf("ingress to %d", port), t.carry(frames.UDPFrame(other, back, nil))).ingress().by(port + 1)
	}
	behind := other
	behind.Port = abi.LimitRules
	t.delivered("behind the last", t.carry(frames.UDPFrame(eni, behind, nil))).by(0)
	return t.filteredBy("largest filter", accepting(rules...))
}
