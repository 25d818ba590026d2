package cases

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// networks is rules of both addresses, and of frames whose addresses are no IP
// header's.
func networks(t *table) Group {
	source, destination := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")
	see := func(name string, inner []byte, rule int) *Case {
		return t.delivered(name, t.carry(inner)).unknown().by(rule)
	}
	see("both", between("192.0.2.1", "198.51.100.1"), 1)
	see("source alone", between("192.0.2.1", "203.0.113.1"), 2)
	see("destination alone", between("203.0.113.1", "198.51.100.1"), 3)
	see("neither", between("203.0.113.1", "203.0.113.2"), 0)
	see("the other way round", between("198.51.100.1", "192.0.2.1"), 0)
	see("ipv6", between("2001:db8::1", "2001:db8::2"), 0)
	see("ipv6 tagged", frames.Tagged(between("2001:db8::1", "2001:db8::2"), frames.Tag{}), 0)
	see("tagged", frames.Tagged(between("192.0.2.1", "198.51.100.1"), frames.Tag{}), 1)

	arp := func(sender, target string) []byte {
		return frames.ARPFrame(peer(sender, third.MAC, 0), peer(target, other.MAC, 0))
	}
	see("arp of the source", arp("192.0.2.9", "203.0.113.1"), 5)
	see("arp of the destination", arp("203.0.113.1", "198.51.100.9"), 6)
	see("arp of both", arp("192.0.2.9", "198.51.100.9"), 5)
	see("arp of neither", arp("203.0.113.1", "203.0.113.2"), 0)
	see("arp padded", padded(arp("192.0.2.9", "203.0.113.1"), 18), 5)
	see("arp of 27 bytes", arp("192.0.2.9", "198.51.100.9")[:14+27], 0)
	see("arp tagged", frames.Tagged(arp("192.0.2.9", "203.0.113.1"), frames.Tag{}), 0)
	see("rarp of the source", set(arp("192.0.2.9", "203.0.113.1"), 12, 0x80, 0x35), 7)
	see("mpls", mpls, 0)
	const isARP, isRARP = 1 << abi.FamilyARP, 1 << abi.FamilyRARP
	return t.filteredBy("networks", accepting(
		mirror.Rule{Source: source, Destination: destination},
		mirror.Rule{Source: source},
		mirror.Rule{Destination: destination},
		mirror.Rule{Source: source, Destination: netip.MustParsePrefix("::/0")}, // matches nothing
		mirror.Rule{Families: isARP, Source: source},
		mirror.Rule{Families: isARP, Destination: destination},
		mirror.Rule{Families: isRARP, Source: source},
		mirror.Rule{Families: mirror.AllFamilies &^ (isARP | isRARP), Source: netip.MustParsePrefix("10.0.0.0/8")},
	))
}

// edges are networks, each with one of the next within it, and by address which is
// the first that holds it; 0: none.
var edges = struct {
	networks []string
	first    []struct {
		address string
		network int
	}
}{
	networks: []string{
		"192.0.2.77/32", "192.0.2.76/31", "192.0.2.64/26", "192.0.0.0/16", "128.0.0.0/1", "0.0.0.0/0",
		"2001:db8::4d/128", "2001:db8::4c/127", "2001:db8::/96", "2001:db8::/65", "2001:db8::/64",
		"2001:db8::/63", "2001:db8::/32", "::/1",
	},
	first: []struct {
		address string
		network int
	}{
		{"192.0.2.77", 1}, {"192.0.2.76", 2}, {"192.0.2.78", 3}, {"192.0.2.75", 3}, {"192.0.2.64", 3}, {"192.0.2.127", 3},
		{"192.0.2.63", 4}, {"192.0.2.128", 4}, {"192.0.0.0", 4}, {"192.0.255.255", 4},
		{"191.255.255.255", 5}, {"192.1.0.0", 5}, {"128.0.0.0", 5}, {"255.255.255.255", 5},
		{"127.255.255.255", 6}, {"0.0.0.0", 6},
		{"2001:db8::4d", 7}, {"2001:db8::4c", 8}, {"2001:db8::4e", 9}, {"2001:db8::4b", 9}, {"2001:db8::ffff:ffff", 9},
		{"2001:db8::1:0:0", 10}, {"2001:db8::7fff:ffff:ffff:ffff", 10},
		{"2001:db8:0:0:8000::", 11}, {"2001:db8::ffff:ffff:ffff:ffff", 11},
		{"2001:db8:0:1::", 12}, {"2001:db8:0:1:ffff:ffff:ffff:ffff", 12},
		{"2001:db8:0:2::", 13}, {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 13},
		{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", 14}, {"2001:db9::", 14}, {"::", 14},
		{"7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 14},
		{"8000::", 0}, {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0},
	},
}

// elsewhere returns an address in none of the narrower edges, of the same length as
// the given one.
func elsewhere(address string) string {
	if netip.MustParseAddr(address).Is4() {
		return "203.0.113.1"
	}
	return "8000::1"
}

func sourceEdges(t *table) Group {
	for _, e := range edges.first {
		t.delivered("source "+e.address, t.carry(between(e.address, elsewhere(e.address)))).unknown().by(e.network)
	}
	var rules []mirror.Rule
	for _, network := range edges.networks {
		rules = append(rules, mirror.Rule{Source: netip.MustParsePrefix(network)})
	}
	return t.filteredBy("edges of source networks", accepting(rules...))
}

func destinationEdges(t *table) Group {
	for _, e := range edges.first {
		t.delivered("destination "+e.address, t.carry(between(elsewhere(e.address), e.address))).unknown().by(e.network)
	}
	var rules []mirror.Rule
	for _, network := range edges.networks {
		rules = append(rules, mirror.Rule{Destination: netip.MustParsePrefix(network)})
	}
	return t.filteredBy("edges of destination networks", accepting(rules...))
}

// mappedNetworks is IPv4-mapped addresses, which are IPv6 to a filter.
func mappedNetworks(t *table) Group {
	see := func(name, source, destination string, rule int) {
		t.delivered(name, t.carry(between(source, destination))).unknown().by(rule)
	}
	see("mapped", "::ffff:192.0.2.1", "2001:db8::1", 2)
	see("mapped, of another network", "::ffff:192.0.3.1", "2001:db8::1", 3)
	see("not mapped", "192.0.2.1", "198.51.100.1", 1)
	see("not mapped, of another network", "192.0.3.1", "198.51.100.1", 0)
	see("compatible", "::192.0.2.1", "2001:db8::1", 3)
	network := netip.MustParsePrefix
	return t.filteredBy("mapped networks", accepting(
		mirror.Rule{Source: network("192.0.2.0/24")},
		mirror.Rule{Source: network("::ffff:192.0.2.0/120")},
		mirror.Rule{Source: network("::/0")},
	))
}
