package mirror_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/cases"
)

func FuzzJudge(f *testing.F) {
	seeds := slices.Concat(cases.All(), cases.CaptureFile())
	for _, group := range cases.Policied() {
		seeds = append(seeds, group.Cases...)
	}
	for _, c := range seeds {
		if len(c.Frame) < 2000 {
			f.Add(c.Frame, c.WireLength, uint16(0))
			f.Add(c.Frame, c.WireLength, uint16(64))
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, wireLength int, snapLength uint16) {
		if snapLength > 0 && snapLength < 14 {
			return
		}
		d := newDecapsulator(t, mirror.Options{SnapLength: int(snapLength)}, mirror.TakeAll())
		before := slices.Clone(frame)
		got := d.Judge(frame, wireLength)
		if !bytes.Equal(frame, before) {
			t.Fatal("the frame was changed")
		}
		checkJudgement(t, frame, got)
		first := got
		first.Packet.Data = slices.Clone(got.Packet.Data) // which may be the decapsulator's own
		if diff := cmp.Diff(first, d.Judge(frame, wireLength), compareAddresses); diff != "" {
			t.Fatalf("judged twice, differently:\n%s", diff)
		}
		checkCounts(t, d, first)
		if snapLength == 0 {
			checkPolicy(t, frame, wireLength, first)
		}
		if wireLength == len(frame) {
			checkEnds(t, d, frame, first)
		}
	})
}

// checkJudgement checks a judgement in itself and against its frame.
func checkJudgement(t *testing.T, frame []byte, j mirror.Judgement) {
	t.Helper()
	p := j.Packet
	if j.Outcome >= abi.OutcomeMax {
		t.Fatalf("outcome %s", j.Outcome)
	}
	if j.Consumed != (j.Outcome == abi.OutcomeDelivered) {
		t.Fatalf("%s, consumed %t", j.Outcome, j.Consumed)
	}
	if j.Outcome != abi.OutcomeDelivered {
		if diff := cmp.Diff(mirror.Judgement{Outcome: j.Outcome}, j, compareAddresses); diff != "" {
			t.Fatalf("not delivered, and yet:\n%s", diff)
		}
		return
	}
	madeUp := []byte{}
	if j.EtherType != 0 {
		madeUp = binary.BigEndian.AppendUint16([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, j.EtherType)
	}
	kept := j.Captured - len(madeUp)
	if j.Captured != len(p.Data) || !bytes.Equal(p.Data, slices.Concat(madeUp, frame[j.Offset:j.Offset+kept])) {
		t.Fatalf("%d bytes from %d on are not the frame's", j.Captured, j.Offset)
	}
	if j.EtherType == 0 && &p.Data[0] != &frame[j.Offset] {
		t.Fatal("the data was copied")
	}
	switch {
	case j.Captured < 14 || j.Captured > j.Arrived || j.Arrived > p.Length:
		t.Fatalf("captured %d of %d of %d", j.Captured, j.Arrived, p.Length)
	case p.Length > j.Arrived && !p.Truncated:
		t.Fatalf("%d of %d bytes arrived, and not truncated", j.Arrived, p.Length)
	case p.Session.VNI >= 1<<24 || !p.Session.Source.IsValid() || p.Session.Source.Is4In6():
		t.Fatalf("session %s", p.Session)
	case p.Tunnel == abi.TunnelVXLAN && p.Endpoint != 0:
		t.Fatalf("endpoint %d of a vxlan packet", p.Endpoint)
	case p.Rule != 0 || p.Outputs != mirror.FirstOutput:
		t.Fatalf("rule %d, outputs %#x", p.Rule, p.Outputs)
	case p.Tunnel != abi.TunnelGENEVE && j.EtherType != 0:
		t.Fatalf("bare payload in %s", p.Tunnel)
	}
}

// checkCounts checks the ledger of a decapsulator that judged one frame twice.
func checkCounts(t *testing.T, d *mirror.Decapsulator, j mirror.Judgement) {
	t.Helper()
	want := mirror.NewLedger("", "")
	want.Received = 2
	want.Outcomes[j.Outcome] = 2
	if j.Outcome == abi.OutcomeDelivered {
		account := mirror.SessionAccount{Packets: 2, Bytes: 2 * uint64(j.Arrived)}
		if j.Packet.Truncated {
			account.Truncated = 2
		}
		want.Sessions[j.Packet.Session] = account
	}
	if diff := cmp.Diff(want, d.Ledger(), compareAddresses); diff != "" {
		t.Fatalf("ledger differs (-want +got):\n%s", diff)
	}
}

// checkEnds holds of a frame that a wire brought: what is behind the outer IP
// packet changes nothing, and without its last inner byte it is not delivered.
func checkEnds(t *testing.T, d *mirror.Decapsulator, frame []byte, j mirror.Judgement) {
	t.Helper()
	if j.Outcome != abi.OutcomeDelivered {
		return
	}
	longer := slices.Concat(frame, []byte{0x55, 0xaa, 0x55})
	if diff := cmp.Diff(j, d.Judge(longer, len(longer)), compareAddresses); diff != "" {
		t.Fatalf("a trailer makes a difference:\n%s", diff)
	}
	end := j.Offset + j.Arrived
	if j.EtherType != 0 {
		end -= 14
	}
	if got := d.Judge(frame[:end-1], end-1).Outcome; got == abi.OutcomeDelivered {
		t.Fatal("delivered without its last byte")
	}
}

// strict is a policy in which everything has a say.
func strict() *mirror.Policy {
	ports := mirror.Ports{First: 1, Last: 1000, Given: true}
	rules := []mirror.Rule{
		{Number: 1, Protocol: mirror.Protocol{Number: 1, Given: true}},
		{Number: 2, Accept: true, SourcePorts: ports},
		{Number: 3, Accept: true, DestinationPorts: ports},
		{Number: 4, Accept: true, Families: mirror.AllFamilies &^ (1 << abi.FamilyIPv4)},
	}
	return &mirror.Policy{Seed: 5, Sessions: []mirror.SessionPolicy{{
		AnyVNI:  true,
		Filter:  &mirror.Filter{Ingress: rules[1:], Egress: rules},
		Sample:  mirror.Sampling{By: abi.SamplingByFlow, OneIn: 2},
		Snap:    mirror.Snap{Bytes: 80, Headers: true},
		Outputs: 6,
	}}}
}

// checkPolicy holds the judgement by a strict policy to what a policy that takes all
// has found, and the policy's parts say of that one by one.
func checkPolicy(t *testing.T, frame []byte, wireLength int, all mirror.Judgement) {
	t.Helper()
	policy := strict()
	got := newDecapsulator(t, mirror.Options{}, policy).Judge(frame, wireLength)
	if all.Outcome != abi.OutcomeDelivered {
		if diff := cmp.Diff(all, got, compareAddresses); diff != "" {
			t.Fatalf("a policy makes a difference to what is not delivered:\n%s", diff)
		}
		return
	}
	wanted := policy.Session(all.Packet.Session)
	headers := mirror.ReadHeaders(all.Packet.Data)
	match := wanted.Filter.Match(all.Packet.Direction, &headers)
	want := all
	want.Packet.Rule, want.Packet.Outputs = wanted.Filter.RuleID(match), wanted.Outputs
	var ethernet []byte
	if all.EtherType == 0 {
		ethernet = all.Packet.Data
	}
	switch {
	case !match.Accept:
		want.Outcome = abi.OutcomeFiltered
	case headers.FlowHash(policy.Seed, ethernet) >= 1<<31:
		want.Outcome = abi.OutcomeSampledOut
	default:
		want.Captured = min(all.Captured, 80, headers.End)
		want.Packet.Data = all.Packet.Data[:want.Captured]
	}
	if want.Outcome != abi.OutcomeDelivered {
		want.Captured, want.Packet.Outputs, want.Packet.Data = 0, 0, nil
	}
	if diff := cmp.Diff(want, got, compareAddresses); diff != "" {
		t.Fatalf("judged by a policy, differs (-want +got):\n%s", diff)
	}
}
