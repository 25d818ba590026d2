package mirror_test

import (
	"net/netip"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

const (
	unknown = abi.DirectionUnknown
	ingress = abi.DirectionIngress
	egress  = abi.DirectionEgress
)

func TestMatch(t *testing.T) {
	t.Parallel()
	tcp := mirror.Rule{Protocol: mirror.Protocol{Number: 6, Given: true}}
	accepted := tcp
	accepted.Accept = true
	all := mirror.Rule{Accept: true}
	rules := func(list ...mirror.Rule) []mirror.Rule { return list }
	headers := mirror.ReadHeaders(frames.TCPFrame(eni, web, nil))
	for _, test := range []struct {
		name      string
		filter    *mirror.Filter
		direction abi.Direction
		want      mirror.Match
		rule      uint16
	}{
		{"no filter", nil, ingress, mirror.Match{Accept: true, Direction: ingress, Index: -1}, 0},
		{"no filter, unknown", nil, unknown, mirror.Match{Accept: true, Index: -1}, 0},
		{"no rule", &mirror.Filter{}, egress, mirror.Match{Direction: egress, Index: -1}, 0},
		{"no rule, unknown", &mirror.Filter{}, unknown, mirror.Match{Direction: egress, Index: -1}, 0},
		{"rejected", &mirror.Filter{Ingress: rules(tcp, all)}, ingress, mirror.Match{Direction: ingress, Index: 0}, 0},
		{"accepted", &mirror.Filter{Ingress: rules(accepted, tcp)}, ingress, mirror.Match{Accept: true, Direction: ingress}, 1},
		{"egress is numbered on", &mirror.Filter{Ingress: rules(tcp, all), Egress: rules(all)}, egress,
			mirror.Match{Accept: true, Direction: egress}, 3},
		{"unknown, by ingress", &mirror.Filter{Ingress: rules(all), Egress: rules(all)}, unknown,
			mirror.Match{Accept: true, Direction: ingress}, 1},
		{"unknown, rejected by ingress", &mirror.Filter{Ingress: rules(tcp, all), Egress: rules(all)}, unknown,
			mirror.Match{Accept: true, Direction: egress}, 3},
		{"unknown, rejected by both", &mirror.Filter{Ingress: rules(tcp), Egress: rules(tcp)}, unknown,
			mirror.Match{Direction: egress, Index: 0}, 0},
	} {
		got := test.filter.Match(test.direction, &headers)
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
		if rule := test.filter.RuleID(got); rule != test.rule {
			t.Errorf("%s: rule %d, want %d", test.name, rule, test.rule)
		}
	}
}

// TestRuleNames changes one thing that a rule names at a time: it matches no more.
func TestRuleNames(t *testing.T) {
	t.Parallel()
	prefix := netip.MustParsePrefix
	ports := func(port uint16) mirror.Ports { return mirror.Ports{First: port, Last: port, Given: true} }
	headers := mirror.ReadHeaders(frames.TCPFrame(eni, web, nil)) // 10.0.0.1:443 to 192.0.2.2:5000
	exact := mirror.Rule{
		Accept: true, Families: 1 << abi.FamilyIPv4, Protocol: mirror.Protocol{Number: 6, Given: true},
		Source: prefix("10.0.0.1/32"), Destination: prefix("192.0.2.2/32"), SourcePorts: ports(443), DestinationPorts: ports(5000),
	}
	accepts := func(rule mirror.Rule) bool {
		filter := mirror.Filter{Egress: []mirror.Rule{rule}}
		return filter.Match(egress, &headers).Accept
	}
	if !accepts(exact) {
		t.Fatal("the rule that names all does not match")
	}
	for name, change := range map[string]func(*mirror.Rule){
		"family":                   func(r *mirror.Rule) { r.Families = 1 << (abi.FamilyIPv4 | abi.FamilyTagged) },
		"protocol":                 func(r *mirror.Rule) { r.Protocol.Number = 17 },
		"source":                   func(r *mirror.Rule) { r.Source = prefix("10.0.0.0/32") },
		"source of ipv6":           func(r *mirror.Rule) { r.Source = prefix("::/0") },
		"source, mapped":           func(r *mirror.Rule) { r.Source = prefix("::ffff:10.0.0.1/128") },
		"destination":              func(r *mirror.Rule) { r.Destination = prefix("192.0.2.3/32") },
		"source port":              func(r *mirror.Rule) { r.SourcePorts = ports(444) },
		"destination port":         func(r *mirror.Rule) { r.DestinationPorts = ports(4999) },
		"ports the wrong way":      func(r *mirror.Rule) { r.SourcePorts, r.DestinationPorts = r.DestinationPorts, r.SourcePorts },
		"addresses, the wrong way": func(r *mirror.Rule) { r.Source, r.Destination = r.Destination, r.Source },
	} {
		rule := exact
		change(&rule)
		if accepts(rule) {
			t.Errorf("%s: the rule matches still", name)
		}
	}
	for name, change := range map[string]func(*mirror.Rule){
		"family":           func(r *mirror.Rule) { r.Families = 0 },
		"any family":       func(r *mirror.Rule) { r.Families = mirror.AllFamilies },
		"protocol":         func(r *mirror.Rule) { r.Protocol = mirror.Protocol{Number: 17} },
		"source":           func(r *mirror.Rule) { r.Source = netip.Prefix{} },
		"source 0/0":       func(r *mirror.Rule) { r.Source = prefix("0.0.0.0/0") },
		"source unmasked":  func(r *mirror.Rule) { r.Source = prefix("10.0.0.77/24") },
		"destination":      func(r *mirror.Rule) { r.Destination = netip.Prefix{} },
		"source port":      func(r *mirror.Rule) { r.SourcePorts = mirror.Ports{First: 1, Last: 2} },
		"destination port": func(r *mirror.Rule) { r.DestinationPorts = mirror.Ports{First: 5000, Last: 65535, Given: true} },
		"ports up to it":   func(r *mirror.Rule) { r.DestinationPorts = mirror.Ports{Last: 5000, Given: true} },
	} {
		rule := exact
		change(&rule)
		if !accepts(rule) {
			t.Errorf("%s: the wider rule does not match", name)
		}
	}
}
