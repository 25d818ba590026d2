package judges

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// samePolicies compares policies by their tables.
var samePolicies = cmp.Comparer(func(a, b *policies) bool { return bytes.Equal(a.binary, b.binary) })

func TestSequenceIsTheSameAgain(t *testing.T) {
	t.Parallel()
	var first, again, other sequence
	a, b := generator{Seed: 3, Frames: 50}, generator{Seed: 3, Frames: 50}
	a.Sequence(1, &first)
	b.Sequence(7000, &again)
	b.Sequence(1, &again)
	if diff := cmp.Diff(first, again, samePolicies); diff != "" {
		t.Errorf("the same number gave another sequence (-first +again):\n%s", diff)
	}
	a = generator{Seed: 4, Frames: 50}
	a.Sequence(1, &other)
	if cmp.Equal(other, again, samePolicies) {
		t.Error("another seed gave the same sequence")
	}
}

func TestSequenceSurvivesItsBinaryForm(t *testing.T) {
	t.Parallel()
	g := generator{Seed: 5, Frames: 20}
	for number := range uint64(30) {
		var written, read sequence
		g.Sequence(number, &written)
		data, err := written.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := read.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(written, read, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(sequence{}, "Policies")); diff != "" {
			t.Fatalf("sequence %d (-written +read):\n%s", number, diff)
		}
	}
}

func TestGeneratorMakesShortestFrames(t *testing.T) {
	t.Parallel()
	g := generator{Seed: 6, Frames: 5000, Shortest: 14}
	var s sequence
	g.Sequence(0, &s)
	for i, frame := range s.Frames {
		if len(frame.Bytes) < 14 || frame.Linear > len(frame.Bytes) {
			t.Fatalf("frame %d has %d bytes, %d linear", i, len(frame.Bytes), frame.Linear)
		}
	}
}

// TestGeneratorLeavesNothingOut counts, by the reference, what the judges get to
// see: a kind of packet that is missing would never be compared.
func TestGeneratorLeavesNothingOut(t *testing.T) {
	t.Parallel()
	g := generator{Seed: 1, Frames: 1024}
	seen := make(map[string]int)
	var s sequence
	var said judgements
	for number := range uint64(60) {
		g.Sequence(number, &s)
		if err := (reference{}).Judge(&s, &said); err != nil {
			t.Fatal(err)
		}
		countKinds(seen, &s, &said)
	}
	for outcome := range abi.OutcomeMax {
		atLeast(t, seen, outcome.String(), 50)
	}
	for _, kind := range []string{
		"unknown", "ingress", "egress", "vxlan", "geneve", "geneve_vxlan", "truncated", "snapped", "bare", "endpoint",
		"torn frame", "ipv6 source", "by MAC", "first rule", "rule beyond a word", "rule of egress", "unknown, dropped",
		"unknown, passed", "cut behind the headers", "later fragment", "later fragment of a known flow",
	} {
		atLeast(t, seen, kind, 50)
	}
	atLeast(t, seen, "jumbo", 10)
	atLeast(t, seen, "rule beyond a chunk", 10)
	atLeast(t, seen, "rule beyond a group", 10)
	atLeast(t, seen, "change of policy", 20)
}

func countKinds(seen map[string]int, s *sequence, said *judgements) {
	count := func(kind string, is bool) {
		if is {
			seen[kind]++
		}
	}
	fragments := make(map[uint32]bool)
	for i, judgement := range said.List {
		seen[judgement.Outcome.String()]++
		count("change of policy", i > 0 && s.Frames[i].Policy != s.Frames[i-1].Policy)
		count("unknown, dropped", judgement.Outcome == abi.OutcomeUnknownSession && judgement.Consumed)
		count("unknown, passed", judgement.Outcome == abi.OutcomeUnknownSession && !judgement.Consumed)
		if judgement.Outcome != abi.OutcomeDelivered {
			continue
		}
		packet := &judgement.Packet
		seen[packet.Direction.String()]++
		seen[packet.Tunnel.String()]++
		count("truncated", packet.Truncated)
		count("snapped", judgement.Captured < judgement.Arrived)
		count("bare", judgement.EtherType != 0)
		count("endpoint", packet.Endpoint != 0)
		count("torn frame", s.Frames[i].Linear < len(s.Frames[i].Bytes))
		count("ipv6 source", packet.Session.Source.Is6())
		count("jumbo", len(s.Frames[i].Bytes) > 4096)
		isIP := judgement.EtherType != 0 || packet.Data[12] == 8 || packet.Data[12] == 0x86
		count("by MAC", !isIP && packet.Direction != abi.DirectionUnknown)
		wanted := s.Policies.list[s.Policies.index(s.Frames[i].Policy)].Session(packet.Session)
		countPolicied(count, wanted, packet)
		headers := mirror.ReadHeaders(packet.Data)
		count("later fragment", headers.Fragment == mirror.FragmentLater)
		count("later fragment of a known flow", headers.Fragment == mirror.FragmentLater && fragments[headers.FragmentID])
		fragments[headers.FragmentID] = fragments[headers.FragmentID] || headers.Fragment == mirror.FragmentFirst
	}
}

// countPolicied counts what the policy of its session has done to a packet.
func countPolicied(count func(string, bool), wanted *mirror.SessionPolicy, packet *mirror.Packet) {
	if filter := wanted.Filter; filter != nil {
		count("first rule", packet.Rule == 1)
		count("rule beyond a word", packet.Rule > 64)
		count("rule beyond a chunk", packet.Rule > 512)
		count("rule beyond a group", packet.Rule > 4096)
		count("rule of egress", int(packet.Rule) > len(filter.Ingress))
	}
	headers := mirror.ReadHeaders(packet.Data)
	count("cut behind the headers", wanted.Snap.Headers && len(packet.Data) == headers.End && headers.HasPorts)
}

func atLeast(t *testing.T, seen map[string]int, kind string, n int) {
	t.Helper()
	if seen[kind] < n {
		t.Errorf("%d frames are %s, want %d at least", seen[kind], kind, n)
	}
}
