package judges

import (
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// TestLargestPolicy has as many sessions and rules as there may be, and packets
// that only the first or the last of them are about.
func TestLargestPolicy(t *testing.T) {
	policy := &mirror.Policy{}
	filter := &mirror.Filter{Ingress: lastAccepts(abi.LimitRules), Egress: lastAccepts(abi.LimitRules)}
	for i := range abi.LimitSessions {
		policy.Sessions = append(policy.Sessions, mirror.SessionPolicy{
			VNI: uint32(2 * i), Filter: filter, Outputs: mirror.OutputSet(i),
		})
	}
	s := &sequence{Options: settings[0], Policies: compiled(t, policy)}
	const last = 2 * (abi.LimitSessions - 1)
	for _, vni := range []uint32{0, 1, 2, last / 2, last/2 + 1, last - 2, last - 1, last, last + 1, 1<<24 - 1} {
		s.add(0, egressFrame(vni))
	}
	judgements, err := everyone(t).ask(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, -1, 1, -1, abi.LimitSessions / 2, last/2 - 1, -1, last / 2, -1, -1} {
		got := &judgements.List[i]
		switch {
		case want < 0 && got.Outcome != abi.OutcomeUnknownSession:
			t.Errorf("frame %d is %s, want unknown_session", i, got.Outcome)
		case want >= 0 && (got.Packet.Outputs != mirror.OutputSet(want) || got.Packet.Rule != 2*abi.LimitRules):
			t.Errorf("frame %d is for outputs %d by rule %d, want %d by %d", i, got.Packet.Outputs, got.Packet.Rule, want, 2*abi.LimitRules)
		}
	}
}

// lastAccepts returns rules of which the last one takes TCP, and the others some
// UDP.
func lastAccepts(n int) []mirror.Rule {
	rules := make([]mirror.Rule, n)
	for i := range rules {
		port := uint16(i)
		rules[i] = mirror.Rule{
			Number: i + 1, Accept: true, Protocol: mirror.Protocol{Number: 17, Given: true},
			DestinationPorts: mirror.Ports{First: port, Last: port, Given: true},
		}
	}
	rules[n-1] = mirror.Rule{Number: n, Accept: true, Protocol: mirror.Protocol{Number: 6, Given: true}}
	return rules
}
