package judges

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// liar says what the reference says, but for one thing.
type liar struct {
	reference
	lie func(*judgements)
}

func (l liar) Judge(s *sequence, out *judgements) error {
	err := l.reference.Judge(s, out)
	l.lie(out)
	return err
}

func TestPanelNoticesEveryLie(t *testing.T) {
	t.Parallel()
	s := &sequence{Options: settings[0], Policies: compiled(t, mirror.TakeAll(), &mirror.Policy{})}
	s.add(0, egressFrame(7))
	s.add(1, egressFrame(8))
	session := mirror.Session{VNI: 7, Source: netip.MustParseAddr("10.0.0.1")}
	stranger := mirror.Session{VNI: 8, Source: session.Source}
	lies := map[string]func(j *mirror.Judgement){
		"outcome":   func(j *mirror.Judgement) { j.Outcome = abi.OutcomeHost },
		"consumed":  func(j *mirror.Judgement) { j.Consumed = false },
		"rule":      func(j *mirror.Judgement) { j.Packet.Rule = 1 },
		"outputs":   func(j *mirror.Judgement) { j.Packet.Outputs = 2 },
		"offset":    func(j *mirror.Judgement) { j.Offset++ },
		"arrived":   func(j *mirror.Judgement) { j.Arrived++ },
		"captured":  func(j *mirror.Judgement) { j.Captured-- },
		"ethertype": func(j *mirror.Judgement) { j.EtherType = 0x0800 },
		"vni":       func(j *mirror.Judgement) { j.Packet.Session.VNI++ },
		"source":    func(j *mirror.Judgement) { j.Packet.Session.Source = testOther },
		"endpoint":  func(j *mirror.Judgement) { j.Packet.Endpoint = 1 },
		"direction": func(j *mirror.Judgement) { j.Packet.Direction = abi.DirectionIngress },
		"tunnel":    func(j *mirror.Judgement) { j.Packet.Tunnel = abi.TunnelGENEVE },
		"truncated": func(j *mirror.Judgement) { j.Packet.Truncated = true },
		"length":    func(j *mirror.Judgement) { j.Packet.Length++ },
		"data":      func(j *mirror.Judgement) { j.Packet.Data = append([]byte{1}, j.Packet.Data[1:]...) },
	}
	for name, lie := range lies {
		checkLie(t, name, s, 0, func(j *judgements) { lie(&j.List[0]) })
	}
	ledgerLies := map[string]func(j *judgements){
		"received":         func(j *judgements) { j.Received++ },
		"outcomes":         func(j *judgements) { j.Outcomes[abi.OutcomeHost]++ },
		"overflow":         func(j *judgements) { j.Overflow.Bytes++ },
		"session":          func(j *judgements) { j.Sessions[session] = mirror.SessionAccount{} },
		"session unsaid":   func(j *judgements) { j.TellsAll = false; j.Sessions[session] = mirror.SessionAccount{} },
		"session's filter": func(j *judgements) { j.Sessions[session] = mirror.SessionAccount{Packets: 1, Bytes: 54, Filtered: 1} },
		"stranger":         func(j *judgements) { delete(j.Strangers, stranger) },
	}
	for name, lie := range ledgerLies {
		checkLie(t, name, s, 2, lie)
	}
}

// checkLie wants the panel to name frame.
func checkLie(t *testing.T, name string, s *sequence, frame int, lie func(*judgements)) {
	t.Helper()
	panel := Panel{judges: []judge{reference{}, liar{lie: lie}}}
	_, err := panel.ask(s)
	var found *disagreement
	if !errors.As(err, &found) || found.Frame != frame {
		t.Errorf("%s: got %v, want a disagreement at %d", name, err, frame)
	}
}
