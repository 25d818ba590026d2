package mirror_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/cases"
)

var compareAddresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func newDecapsulator(t testing.TB, options mirror.Options, policy *mirror.Policy) *mirror.Decapsulator {
	t.Helper()
	d, err := mirror.NewDecapsulator(options, policy)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// judge has d judge the cases and compares all that it says of them.
func judge(t *testing.T, d *mirror.Decapsulator, list []cases.Case) {
	t.Helper()
	for _, c := range list {
		frame := slices.Clone(c.Frame)
		got := d.Judge(frame, c.WireLength)
		if diff := cmp.Diff(c.Judgement(), got, compareAddresses); diff != "" {
			t.Errorf("%s: judgement differs (-want +got):\n%s", c.Name, diff)
		}
		if !slices.Equal(frame, c.Frame) {
			t.Errorf("%s: the frame was changed", c.Name)
		}
	}
}

// checkLedger compares d's counts with those of cases that it has seen once.
func checkLedger(t *testing.T, d *mirror.Decapsulator, list []cases.Case) {
	t.Helper()
	if diff := cmp.Diff(cases.Ledger(list), d.Ledger(), compareAddresses); diff != "" {
		t.Errorf("ledger differs (-want +got):\n%s", diff)
	}
}

func TestCases(t *testing.T) {
	t.Parallel()
	d := newDecapsulator(t, mirror.Options{}, mirror.TakeAll())
	list := slices.Concat(cases.All(), cases.Prefixes())
	judge(t, d, list)
	checkLedger(t, d, list)
	slices.Reverse(list)
	judge(t, d, list)
}

func TestCaptureFileCases(t *testing.T) {
	t.Parallel()
	d := newDecapsulator(t, mirror.Options{}, mirror.TakeAll())
	judge(t, d, cases.CaptureFile())
	checkLedger(t, d, cases.CaptureFile())
}

func TestConfiguredCases(t *testing.T) {
	t.Parallel()
	for _, c := range cases.AllConfigured() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			d := newDecapsulator(t, c.Options, mirror.TakeAll())
			judge(t, d, c.Cases)
			checkLedger(t, d, c.Cases)
		})
	}
}

func TestPoliciedCases(t *testing.T) {
	t.Parallel()
	for _, group := range cases.Policied() {
		t.Run(group.Name, func(t *testing.T) {
			t.Parallel()
			d := newDecapsulator(t, group.Options, group.Policy)
			judge(t, d, group.Cases)
			checkLedger(t, d, group.Cases)
		})
	}
}

// TestPoliciesInTurn has one judge see all groups, each with its policy.
func TestPoliciesInTurn(t *testing.T) {
	t.Parallel()
	d := newDecapsulator(t, mirror.Options{}, mirror.TakeAll())
	var all []cases.Case
	for _, group := range cases.Policied() {
		if group.Options.SnapLength != 0 {
			continue
		}
		if err := d.SetPolicy(group.Policy); err != nil {
			t.Fatal(err)
		}
		judge(t, d, group.Cases)
		all = append(all, group.Cases...)
	}
	checkLedger(t, d, all)
}

func TestSequences(t *testing.T) {
	t.Parallel()
	together := newDecapsulator(t, mirror.Options{}, mirror.TakeAll())
	for _, sequence := range cases.Sequences() {
		t.Run(sequence.Name, func(t *testing.T) {
			alone := newDecapsulator(t, mirror.Options{}, mirror.TakeAll())
			judge(t, alone, sequence.Cases)
			checkLedger(t, alone, sequence.Cases)
			judge(t, together, sequence.Cases)
		})
	}
}

// TestGroupsAreSound holds the groups to what Policied promises.
func TestGroupsAreSound(t *testing.T) {
	t.Parallel()
	groups := make(map[string]bool)
	whose := make(map[mirror.Session]string)
	for _, group := range cases.Policied() {
		if groups[group.Name] {
			t.Errorf("two groups are called %q", group.Name)
		}
		groups[group.Name] = true
		names := make(map[string]bool)
		for _, c := range group.Cases {
			if names[c.Name] {
				t.Errorf("%s: two cases are called %q", group.Name, c.Name)
			}
			names[c.Name] = true
			if !c.Source.IsValid() {
				continue
			}
			if with := whose[c.Session()]; with != "" && with != group.Name {
				t.Errorf("%s: %s has its session in common with %s", group.Name, c.Name, with)
			}
			whose[c.Session()] = group.Name
		}
	}
}

// TestCasesAreSound holds the table to what its comments promise.
func TestCasesAreSound(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	sessions := make(map[mirror.Session]string)
	for _, c := range slices.Concat(cases.All(), cases.Prefixes(), cases.CaptureFile()) {
		if names[c.Name] {
			t.Errorf("two cases are called %q", c.Name)
		}
		names[c.Name] = true
	}
	for _, c := range cases.All() {
		if c.WireLength != len(c.Frame) {
			t.Errorf("%s: wire length %d of a frame of %d bytes", c.Name, c.WireLength, len(c.Frame))
		}
		if c.Outcome != abi.OutcomeDelivered {
			continue
		}
		if with := sessions[c.Session()]; with != "" {
			t.Errorf("%s: has its session in common with %s", c.Name, with)
		}
		sessions[c.Session()] = c.Name
	}
	if diff := cmp.Diff(cases.All(), cases.All(), compareAddresses); diff != "" {
		t.Errorf("cases differ from one call to the next:\n%s", diff)
	}
	seen := make(map[abi.Outcome]bool)
	for _, group := range cases.Policied() {
		for _, c := range group.Cases {
			seen[c.Outcome] = true
		}
	}
	for _, c := range cases.All() {
		seen[c.Outcome] = true
	}
	for outcome := range abi.OutcomeMax {
		if !seen[outcome] {
			t.Errorf("no case ends in %s", outcome)
		}
	}
}
