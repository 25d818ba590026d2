package main

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

func TestFiltersSideBySide(t *testing.T) {
	needRig(t)
	results, points, err := measureFilter(t.Context(), filterPlan{rounds: 1, sizes: []int{1, 1000}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range results {
		names = append(names, r.Name)
	}
	want := []string{"filter_1_vs_none", "filter_1000_vs_1", "filter_1000_overlapping_vs_1", "filter_last_vs_first",
		"filter_1000_last_vs_1", "filter_no_match_vs_any", "filter_no_match_vs_first", "noise_floor_filter"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if len(points) != 2 || points[1].At != 1000 || points[1].Policy < 4<<20 {
		t.Errorf("growth is %+v", points)
	}
}

// A packet with another outcome than the side is about fails the run.
func TestFilterThatDoesNotDoItsWork(t *testing.T) {
	needRig(t)
	b, err := newFilterBench()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	rules := scatteredRules(10, 1)
	rules[9].Accept = false
	s, err := b.hits(rules, anyRule)
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := s.run(); err == nil {
		t.Errorf("a tenth of the packets is filtered, and the run takes %f ns", cost)
	}
}

// Both sides of each host filter take all of the packets, or the run fails.
func TestHostFilters(t *testing.T) {
	needRig(t)
	peers := []filterPeer{
		{"nft", 20, newNftables(nftRules)}, {"nft, a set", 20, newNftables(nftSet)}, {"tcpdump", 20, newSocketFilter},
	}
	results, err := compareHostFilters(t.Context(), peers, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(peers) {
		t.Fatalf("%d results of %d", len(results), len(peers))
	}
	for _, r := range results {
		t.Logf("%s: %s %s", r.Name, r.Status, r.Reason)
	}
}

func TestHostFilterThatTakesNothing(t *testing.T) {
	needRig(t)
	labtest.Need(t, "tcpdump")
	b, err := newFilterBench()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	f, err := newSocketFilter([]mirror.Rule{rule(1, netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.0.2.0/24"), 6, 1, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rules := scatteredRules(1, 1)
	if _, err := f.run(b.stages, drawHits(b.inner(), rules, anyRule), loopbackFrame(b.inner())); err == nil {
		t.Error("no packet was taken, and the run is good")
	}
}
