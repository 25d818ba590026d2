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

func newDecapsulator(t testing.TB, options mirror.Options) *mirror.Decapsulator {
	t.Helper()
	d, err := mirror.NewDecapsulator(options)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// judgement is what a case says that Judge must return.
func judgement(c cases.Case) mirror.Judgement {
	if c.Outcome != abi.OutcomeDelivered {
		return mirror.Judgement{Outcome: c.Outcome}
	}
	return mirror.Judgement{
		Outcome:   c.Outcome,
		Offset:    c.Offset,
		Arrived:   c.Arrived,
		Captured:  len(c.Inner),
		EtherType: c.EtherType,
		Packet: mirror.Packet{
			Session:   c.Session(),
			Endpoint:  c.Endpoint,
			Direction: c.Direction,
			Tunnel:    c.Tunnel,
			Truncated: c.Truncated,
			Length:    c.Length,
			Data:      c.Inner,
		},
	}
}

// judge has d judge the cases and compares all that it says of them.
func judge(t *testing.T, d *mirror.Decapsulator, list []cases.Case) {
	t.Helper()
	for _, c := range list {
		frame := slices.Clone(c.Frame)
		got := d.Judge(frame, c.WireLength)
		if diff := cmp.Diff(judgement(c), got, compareAddresses); diff != "" {
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
	d := newDecapsulator(t, mirror.Options{})
	list := slices.Concat(cases.All(), cases.Prefixes())
	judge(t, d, list)
	checkLedger(t, d, list)
	slices.Reverse(list)
	judge(t, d, list)
}

func TestCaptureFileCases(t *testing.T) {
	t.Parallel()
	d := newDecapsulator(t, mirror.Options{})
	judge(t, d, cases.CaptureFile())
	checkLedger(t, d, cases.CaptureFile())
}

func TestConfiguredCases(t *testing.T) {
	t.Parallel()
	for _, c := range cases.AllConfigured() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			d := newDecapsulator(t, c.Options)
			judge(t, d, c.Cases)
			checkLedger(t, d, c.Cases)
		})
	}
}

func TestSequences(t *testing.T) {
	t.Parallel()
	together := newDecapsulator(t, mirror.Options{})
	for _, sequence := range cases.Sequences() {
		t.Run(sequence.Name, func(t *testing.T) {
			alone := newDecapsulator(t, mirror.Options{})
			judge(t, alone, sequence.Cases)
			checkLedger(t, alone, sequence.Cases)
			judge(t, together, sequence.Cases)
		})
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
	for _, c := range cases.AllConfigured() {
		for _, c := range c.Cases {
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
