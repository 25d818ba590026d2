package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// scatteredRules returns n rules that accept, each of two random networks of 256
// addresses, TCP or UDP and a hundred ports. No two of them match the same packet.
// The same seed gives the same rules.
func scatteredRules(n int, seed uint64) []mirror.Rule {
	dice := rand.New(rand.NewPCG(seed, uint64(n)))
	taken := make(map[[2]netip.Prefix]bool, n)
	rules := make([]mirror.Rule, 0, n)
	for len(rules) < n {
		networks := [2]netip.Prefix{randomNetwork(dice), randomNetwork(dice)}
		if taken[networks] {
			continue
		}
		taken[networks] = true
		first := uint16(dice.IntN(60_000))
		rules = append(rules, rule(len(rules)+1, networks[0], networks[1], randomProtocol(dice), first, first+99))
	}
	return rules
}

// Of overlapping rules each field has so many values.
const (
	overlappingNetworks = 16
	overlappingPorts    = 16
)

// overlappingRules returns n rules that accept, whose fields take turns with a few
// values each: any value of a field is in many rules, and most of them come to
// nothing for the sake of another field. Several rules may match one packet.
func overlappingRules(n int) []mirror.Rule {
	dice := rand.New(rand.NewPCG(3, uint64(n)))
	network := func(first byte) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{first, byte(dice.IntN(overlappingNetworks))}), 16)
	}
	const portsWidth = (1 << 16) / overlappingPorts
	rules := make([]mirror.Rule, n)
	for i := range rules {
		first := uint16(dice.IntN(overlappingPorts) * portsWidth)
		rules[i] = rule(i+1, network(10), network(11), randomProtocol(dice), first, first+portsWidth-1)
	}
	return rules
}

func rule(number int, source, destination netip.Prefix, protocol uint8, firstPort, lastPort uint16) mirror.Rule {
	return mirror.Rule{
		Number: number, Accept: true, Protocol: mirror.Protocol{Number: protocol, Given: true},
		Source: source, Destination: destination,
		DestinationPorts: mirror.Ports{First: firstPort, Last: lastPort, Given: true},
	}
}

// randomNetwork returns one of 256 addresses of 10.0.0.0/8.
func randomNetwork(dice *rand.Rand) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(dice.Uint32()), byte(dice.Uint32()), 0}), 24)
}

func randomProtocol(dice *rand.Rand) uint8 {
	if dice.IntN(2) == 0 {
		return frames.ProtocolTCP
	}
	return frames.ProtocolUDP
}

// protocolName is what nft and tcpdump call a protocol of these rules.
func protocolName(rule *mirror.Rule) string {
	if rule.Protocol.Number == frames.ProtocolTCP {
		return "tcp"
	}
	return "udp"
}

// filterPolicy has all sessions filtered by rules, and takes everything if there
// are none. The packets are ingress: it knows the MAC that they are for.
func filterPolicy(rules []mirror.Rule) *mirror.Policy {
	session := mirror.SessionPolicy{AnyVNI: true, MAC: hostMAC, Outputs: mirror.FirstOutput}
	if rules != nil {
		session.Filter = &mirror.Filter{Name: fmt.Sprintf("%d rules", len(rules)), Ingress: rules}
	}
	return &mirror.Policy{Sessions: []mirror.SessionPolicy{session}}
}
