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
	Reference
	lie func(*Judgements)
}

func (l liar) Judge(s *Sequence, out *Judgements) error {
	err := l.Reference.Judge(s, out)
	l.lie(out)
	return err
}

func TestPanelNoticesEveryLie(t *testing.T) {
	t.Parallel()
	frame := egressFrame(7)
	sequence := &Sequence{Options: settings[0], Frames: []Frame{{frame, len(frame)}}}
	session := mirror.Session{VNI: 7, Source: netip.MustParseAddr("10.0.0.1")}
	lies := map[string]func(j *mirror.Judgement){
		"outcome":   func(j *mirror.Judgement) { j.Outcome = abi.OutcomeHost },
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
		checkLie(t, name, sequence, 0, func(j *Judgements) { lie(&j.List[0]) })
	}
	checkLie(t, "received", sequence, 1, func(j *Judgements) { j.Received++ })
	checkLie(t, "outcomes", sequence, 1, func(j *Judgements) { j.Outcomes[abi.OutcomeHost]++ })
	checkLie(t, "overflow", sequence, 1, func(j *Judgements) { j.Overflow.Bytes++ })
	checkLie(t, "session", sequence, 1, func(j *Judgements) { j.Sessions[session] = mirror.SessionAccount{} })
}

// checkLie wants the panel to name frame.
func checkLie(t *testing.T, name string, s *Sequence, frame int, lie func(*Judgements)) {
	t.Helper()
	panel := Panel{Judges: []Judge{Reference{}, liar{lie: lie}}}
	_, err := panel.Ask(s)
	var disagreement *Disagreement
	if !errors.As(err, &disagreement) || disagreement.Frame != frame {
		t.Errorf("%s: got %v, want a disagreement at %d", name, err, frame)
	}
}
