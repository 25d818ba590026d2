package main

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// written returns the inner frame with a drawn packet in it, as programs/draw.h
// writes it.
func written(inner []byte, d programs.StagesDraw) []byte {
	frame := append([]byte(nil), inner...)
	binary.NativeEndian.PutUint32(frame[innerIP+12:], d.Source)
	binary.NativeEndian.PutUint32(frame[innerIP+16:], d.Destination)
	frame[innerIP+9] = d.Protocol
	binary.NativeEndian.PutUint16(frame[innerIP+10:], d.Checksum)
	binary.NativeEndian.PutUint16(frame[innerUDP:], d.SourcePort)
	binary.NativeEndian.PutUint16(frame[innerUDP+2:], d.DestinationPort)
	return frame
}

// innerOf returns an inner frame to draw packets for.
func innerOf(t *testing.T, size int) []byte {
	t.Helper()
	frame, err := oneFrame(size)
	if err != nil {
		t.Fatal(err)
	}
	return frame[innerStart:]
}

// drawnToCheck is how many of the drawn packets are looked at.
const drawnToCheck = 500

func TestDrawnPacketsMatchTheRulesTheyAreDrawnFor(t *testing.T) {
	t.Parallel()
	scattered, overlapping := scatteredRules(1000, 1), overlappingRules(1000)
	inner := innerOf(t, 64)
	tests := []struct {
		name  string
		rules []mirror.Rule
		draws *Draws
		want  func(mirror.Match) bool
	}{
		{"any", scattered, drawHits(inner, scattered, anyRule), func(m mirror.Match) bool { return m.Accept }},
		{"any overlapping", overlapping, drawHits(inner, overlapping, anyRule), func(m mirror.Match) bool { return m.Accept }},
		{"the first", scattered, drawHits(inner, scattered, firstRule), func(m mirror.Match) bool { return m.Index == 0 }},
		{"the last", scattered, drawHits(inner, scattered, lastRule), func(m mirror.Match) bool { return m.Index == 999 }},
		{"none", scattered, drawMisses(inner, scattered), func(m mirror.Match) bool { return m.Index == -1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			filter := &mirror.Filter{Ingress: test.rules}
			for i, d := range test.draws[:drawnToCheck] {
				headers := mirror.ReadHeaders(written(inner, d))
				if match := filter.Match(abi.DirectionIngress, &headers); !test.want(match) {
					t.Fatalf("packet %d: %+v of %+v", i, match, headers)
				}
			}
		})
	}
}

func TestDrawnPacketsAreManyFlows(t *testing.T) {
	t.Parallel()
	draws := drawHits(innerOf(t, 64), scatteredRules(1000, 1), anyRule)
	different := make(map[programs.StagesDraw]bool)
	for _, d := range draws {
		different[d] = true
	}
	if len(different) < drawsLength*99/100 {
		t.Errorf("%d of %d drawn packets are different", len(different), drawsLength)
	}
}

func TestDrawnPacketsHaveTheirChecksums(t *testing.T) {
	t.Parallel()
	for _, size := range []int{64, 1450} {
		inner := innerOf(t, size)
		for _, d := range drawHits(inner, scatteredRules(10, 1), anyRule)[:drawnToCheck] {
			frame := written(inner, d)
			if rest := fold(uint64(sum(frame[innerIP:innerUDP]))); rest != 0 {
				t.Fatalf("%d bytes: checksum is off by %#x", size, rest)
			}
		}
	}
}

func TestScatteredRulesAreApart(t *testing.T) {
	t.Parallel()
	networks := make(map[[2]netip.Prefix]bool)
	for i, r := range scatteredRules(10_000, 1) {
		if key := [2]netip.Prefix{r.Source, r.Destination}; networks[key] {
			t.Errorf("rule %d has the networks of another", i)
		} else {
			networks[key] = true
		}
		if r.Number != i+1 {
			t.Errorf("rule %d has number %d", i, r.Number)
		}
	}
	if diff := cmp.Diff(scatteredRules(50, 1), scatteredRules(50, 1), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// twoRules are written in the forms of other programs below.
var twoRules = []mirror.Rule{
	rule(1, netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("10.3.4.0/24"), 6, 80, 179),
	rule(2, netip.MustParsePrefix("10.5.6.0/24"), netip.MustParsePrefix("10.7.8.0/24"), 17, 53, 152),
}

func TestRulesForOthers(t *testing.T) {
	t.Parallel()
	_, chain := nftRules(twoRules)
	sets, lookup := nftSet(twoRules)
	for name, form := range map[string]struct{ got, want string }{
		"nft, line by line": {chain, "ip saddr 10.1.2.0/24 ip daddr 10.3.4.0/24 tcp dport 80-179 goto taken\n" +
			"ip saddr 10.5.6.0/24 ip daddr 10.7.8.0/24 udp dport 53-152 goto taken\n"},
		"nft, a set": {sets, "set rules { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; elements = {" +
			"10.1.2.0/24 . 10.3.4.0/24 . tcp . 80-179, 10.5.6.0/24 . 10.7.8.0/24 . udp . 53-152} }"},
		"nft, the set's use": {lookup, "ip saddr . ip daddr . meta l4proto . th dport @rules goto taken\n"},
		"tcpdump": {tcpdumpExpression(twoRules), "(src net 10.1.2.0/24 and dst net 10.3.4.0/24 and tcp dst portrange 80-179) or " +
			"(src net 10.5.6.0/24 and dst net 10.7.8.0/24 and udp dst portrange 53-152)"},
	} {
		if diff := cmp.Diff(form.want, form.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
