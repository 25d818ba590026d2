package judges

import (
	"fmt"
	"maps"

	"github.com/xdpeel/xdpeel/mirror"
)

// Reference is the judge in plain Go.
type Reference struct{}

// Name returns "mirror".
func (Reference) Name() string { return "mirror" }

// Judge implements [Judge].
func (Reference) Judge(s *Sequence, out *Judgements) error {
	out.reset()
	decapsulator, err := mirror.NewDecapsulator(s.Options)
	if err != nil {
		return fmt.Errorf("make decapsulator: %w", err)
	}
	for _, frame := range s.Frames {
		judgement := decapsulator.Judge(frame.Bytes, len(frame.Bytes))
		if judgement.EtherType != 0 { // its data is the decapsulator's, until the next frame
			judgement.Packet.Data = out.keep(judgement.Packet.Data)
		}
		out.List = append(out.List, judgement)
	}
	ledger := decapsulator.Ledger()
	out.Received, out.Outcomes, out.Overflow = ledger.Received, ledger.Outcomes, ledger.Overflow
	maps.Copy(out.Sessions, ledger.Sessions)
	return nil
}

// Close does nothing.
func (Reference) Close() error { return nil }
