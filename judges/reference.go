package judges

import (
	"fmt"
	"maps"

	"github.com/xdpeel/xdpeel/mirror"
)

// reference is the judge in plain Go.
type reference struct{}

// Name returns "mirror".
func (reference) Name() string { return "mirror" }

// Judge implements [judge].
func (reference) Judge(s *sequence, out *judgements) error {
	out.reset()
	out.TellsAll = true
	policy := 0
	if len(s.Frames) > 0 {
		policy = s.Policies.index(s.Frames[0].Policy)
	}
	decapsulator, err := mirror.NewDecapsulator(s.Options, s.Policies.list[policy])
	if err != nil {
		return fmt.Errorf("make decapsulator: %w", err)
	}
	for _, frame := range s.Frames {
		if wanted := s.Policies.index(frame.Policy); wanted != policy {
			policy = wanted
			if err := decapsulator.SetPolicy(s.Policies.list[policy]); err != nil {
				return fmt.Errorf("change policy: %w", err)
			}
		}
		judgement := decapsulator.Judge(frame.Bytes, len(frame.Bytes))
		if judgement.EtherType != 0 { // its data is the decapsulator's, until the next frame
			judgement.Packet.Data = out.keep(judgement.Packet.Data)
		}
		out.List = append(out.List, judgement)
	}
	out.addLedger(decapsulator.Ledger())
	return nil
}

func (j *judgements) addLedger(ledger *mirror.Ledger) {
	j.Received, j.Outcomes, j.Overflow = ledger.Received, ledger.Outcomes, ledger.Overflow
	maps.Copy(j.Sessions, ledger.Sessions)
	for _, stranger := range ledger.Strangers {
		j.Strangers[stranger.Session] = stranger
	}
}

// Close does nothing.
func (reference) Close() error { return nil }
