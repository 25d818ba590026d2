package main

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/config"
)

// comparePrefixes are compared by value: they have fields of their own that are not.
var comparePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestReloadFilesSayWhatThePoliciesSay(t *testing.T) {
	t.Parallel()
	for name, setters := range map[string]func(string) ([2]setter, error){"yaml": yamlSetters, "json": jsonSetters} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			if _, err := setters(directory); err != nil {
				t.Fatal(err)
			}
			for i, want := range reloadPolicies() {
				read, err := config.Load(directory+"/reload-"+string(rune('0'+i))+".yaml", reloadSlots)
				if err != nil {
					t.Fatal(err)
				}
				session := read.Policy.Sessions[0]
				if session.Outputs != want.Sessions[0].Outputs {
					t.Errorf("outputs are %b, want %b", session.Outputs, want.Sessions[0].Outputs)
				}
				rules := session.Filter.Ingress
				if name == "json" { // AWS has no rule without networks
					rules[len(rules)-1].Source, rules[len(rules)-1].Destination = netip.Prefix{}, netip.Prefix{}
				}
				if diff := cmp.Diff(want.Sessions[0].Filter.Ingress, rules, comparePrefixes); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestReloadUnderLoad(t *testing.T) {
	needRig(t)
	way := reloadWay{"reload", "a call", policySetters}
	results, err := way.measure(t.Context(), t.TempDir(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Status != Measured || r.Pairs != 2 || r.Ratio.Median <= 0 {
			t.Errorf("result is %+v", r)
		}
	}
	if results[0].Values["packets_sent"] == 0 {
		t.Error("there was no load")
	}
}
