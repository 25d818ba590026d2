package judges

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// TestChangeOfPolicy changes the policy between frames of one session: what was
// counted and learned under one stands under the other.
func TestChangeOfPolicy(t *testing.T) {
	withMAC, sampled := mirror.TakeAll(), mirror.TakeAll()
	withMAC.Sessions[0].MAC = testPeerMAC
	sampled.Sessions[0].Sample = mirror.Sampling{By: abi.SamplingByPacket, OneIn: 3}
	const nobody, all, named, oneInThree = 0, 1, 2, 3
	s := &sequence{Options: settings[0], Policies: compiled(t, &mirror.Policy{}, mirror.TakeAll(), withMAC, sampled)}
	s.add(nobody, egressFrame(7))
	s.add(named, egressFrame(7)) // teaches the MAC, though another one counts
	s.add(named, arpFrame(7))
	s.add(all, arpFrame(7))
	s.add(oneInThree, egressFrame(7), egressFrame(7)) // the 1st and the 2nd of three
	s.add(nobody, egressFrame(7))
	s.add(oneInThree, egressFrame(7), egressFrame(7)) // the 3rd, and the 1st again
	judgements, err := everyone(t).ask(s)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range judgements.List {
		got = append(got, j.Outcome.String()+" "+j.Packet.Direction.String())
	}
	want := []string{
		"unknown_session unknown", "delivered egress", "delivered ingress", "delivered egress",
		"delivered egress", "sampled_out egress", "unknown_session unknown", "sampled_out egress", "delivered egress",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("judgements (-want +got):\n%s", diff)
	}
	for session, account := range judgements.Sessions {
		if account.Packets != 7 || account.SampledOut != 2 || account.Filtered != 0 {
			t.Errorf("%s: %+v, want 7 packets, 2 of them sampled out", session, account)
		}
	}
	for session, stranger := range judgements.Strangers {
		if stranger.Unknown != 2 || stranger.Denied != 0 {
			t.Errorf("%s: %+v, want 2 unknown", session, stranger)
		}
	}
}
