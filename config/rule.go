package config

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// rule is a rule as it is read: with the places of what has to agree.
type rule struct {
	mirror.Rule
	at               *yaml.Node // the rule, then its number
	action           bool       // is given
	destination      *yaml.Node
	sourcePorts      *yaml.Node
	destinationPorts *yaml.Node
}

// ruleKeys are the keys of a rule. Their values are those of mirror.Rule.
var ruleKeys = []key[rule]{
	{"rule", func(r *reader, n *yaml.Node, rule *rule) {
		number, _ := r.number(n, "rule", 1, 1<<31-1)
		rule.Number, rule.at = int(number), n
	}},
	{"action", func(r *reader, n *yaml.Node, rule *rule) {
		word := ""
		choose(r, n, "action", &word, "accept", "reject")
		rule.Accept, rule.action = word == "accept", true
	}},
	{"protocol", func(r *reader, n *yaml.Node, rule *rule) { rule.Protocol = readProtocol(r, n) }},
	{"source", func(r *reader, n *yaml.Node, rule *rule) { rule.Source, _ = r.network(n, "source") }},
	{"destination", func(r *reader, n *yaml.Node, rule *rule) {
		rule.Destination, _ = r.network(n, "destination")
		rule.destination = n
	}},
	{"source_ports", func(r *reader, n *yaml.Node, rule *rule) {
		rule.SourcePorts, rule.sourcePorts = readPorts(r, n, "source_ports"), n
	}},
	{"destination_ports", func(r *reader, n *yaml.Node, rule *rule) {
		rule.DestinationPorts, rule.destinationPorts = readPorts(r, n, "destination_ports"), n
	}},
}

// readRules reads the rules of one direction and puts them in ascending order.
func (r *reader) readRules(n *yaml.Node, direction string) []mirror.Rule {
	elements := r.list(n, direction, "[{rule: 100, action: accept}]")
	if len(elements) > abi.LimitRules {
		r.complain(n, "%s has %d rules; a direction has at most %d", direction, len(elements), abi.LimitRules)
		return nil
	}
	rules := make([]mirror.Rule, 0, len(elements))
	lines := make(firstLines[int], len(elements))
	for _, element := range elements {
		rule := rule{at: r.resolve(element)}
		if !readMapping(r, element, "a rule", ruleKeys, &rule) {
			continue
		}
		r.checkRule(r.resolve(element), &rule)
		if first := lines.note(rule.Number, rule.at); first != 0 && rule.Number != 0 { // 0: as was complained of
			r.complain(rule.at, "rule %d is there twice, first in line %d", rule.Number, first)
		}
		rules = append(rules, rule.Rule)
	}
	ascending := func(a, b mirror.Rule) int { return cmp.Compare(a.Number, b.Number) }
	if !slices.IsSortedFunc(rules, ascending) {
		slices.SortStableFunc(rules, ascending)
	}
	return rules
}

// checkRule complains of what is missing from a rule, and of what does not go
// together, since no packet could match it.
func (r *reader) checkRule(element *yaml.Node, rule *rule) {
	if rule.at == element {
		r.complain(element, "a rule needs the key rule, its number")
	}
	if !rule.action {
		r.complain(element, "a rule needs the key action, accept or reject")
	}
	s, d := rule.Source, rule.Destination
	if s.IsValid() && d.IsValid() && s.Addr().Is4() != d.Addr().Is4() {
		r.complain(rule.destination, "destination %s is not of the IP version of source %s", d, s)
	}
	if !rule.Protocol.Given || mirror.HasPorts(rule.Protocol.Number) {
		return
	}
	if rule.SourcePorts.Given {
		r.complain(rule.sourcePorts, "source_ports: protocol %d has no ports; tcp, udp and sctp have", rule.Protocol.Number)
	}
	if rule.DestinationPorts.Given {
		r.complain(rule.destinationPorts, "destination_ports: protocol %d has no ports; tcp, udp and sctp have", rule.Protocol.Number)
	}
}

// protocolNames are IANA's keywords of the protocols that are met, and what
// tcpdump calls some of them.
var protocolNames = map[string]uint8{
	"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
	"icmp6": 58, "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132,
}

// readProtocol reads a protocol's name or number; -1 is AWS's word for any.
func readProtocol(r *reader, n *yaml.Node) mirror.Protocol {
	text, ok := r.text(n, "protocol")
	if !ok || text == "any" || text == "-1" {
		return mirror.Protocol{}
	}
	if number, ok := protocolNames[text]; ok {
		return mirror.Protocol{Number: number, Given: true}
	}
	number, err := parseNumber(text)
	if err != nil || number > 255 {
		r.complain(n, "protocol %q is not a number from 0 to 255, any, or one of %s",
			text, strings.Join(slices.Sorted(maps.Keys(protocolNames)), ", "))
		return mirror.Protocol{}
	}
	return mirror.Protocol{Number: uint8(number), Given: true}
}

// readPorts reads a port or a range of ports; all of them are any.
func readPorts(r *reader, n *yaml.Node, name string) mirror.Ports {
	text, ok := r.text(n, name)
	if !ok {
		return mirror.Ports{}
	}
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	first, firstErr := strconv.ParseUint(low, 10, 16)
	last, lastErr := strconv.ParseUint(high, 10, 16)
	switch {
	case firstErr != nil || lastErr != nil:
		r.complain(n, "%s %q is not a port or a range of ports, as 443 or 53-1024", name, text)
	case first > last:
		r.complain(n, "%s %s: the range ends before it begins", name, text)
	case first != 0 || last != 65535:
		return mirror.Ports{First: uint16(first), Last: uint16(last), Given: true}
	}
	return mirror.Ports{}
}
