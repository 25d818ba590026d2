package judges

import (
	"encoding/hex"
	"fmt"
	"maps"
	"strings"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Panel asks several judges the same.
type Panel struct {
	Judges       []Judge
	judgements   []Judgements
	tally        Judgements
	fuzzPolicies *Policies
}

// Disagreement is the first frame of a sequence of which the judges do not say
// the same, or what they count differently.
type Disagreement struct {
	Frame  int // its index, or the number of frames if the ledgers disagree
	report string
}

// Error returns the frame in hexadecimal and what each judge says of it.
func (d *Disagreement) Error() string { return d.report }

// Ask has all judges judge s. The first one's judgements are returned; the error
// is a [Disagreement] if another's are not the same, or if a judge's ledger is
// not the sum of its judgements.
func (p *Panel) Ask(s *Sequence) (*Judgements, error) {
	if p.judgements == nil {
		p.judgements = make([]Judgements, len(p.Judges))
	}
	for i, judge := range p.Judges {
		if err := judge.Judge(s, &p.judgements[i]); err != nil {
			return nil, fmt.Errorf("judge %s: %w", judge.Name(), err)
		}
	}
	first := &p.judgements[0]
	for frame := range s.Frames {
		for i := range p.judgements[1:] {
			if !equal(&first.List[frame], &p.judgements[i+1].List[frame]) {
				return nil, p.disagree(s, frame)
			}
		}
	}
	for i := range p.judgements {
		if err := p.checkLedger(s, i); err != nil {
			return nil, err
		}
	}
	return first, nil
}

// checkLedger compares what a judge counted with what it said, and with what the
// first judge counted.
func (p *Panel) checkLedger(s *Sequence, i int) error {
	first, said := &p.judgements[0], &p.judgements[i]
	p.tally.count(said)
	if !said.sameLedger(&p.tally) {
		return &Disagreement{len(s.Frames), fmt.Sprintf("the ledger of judge %s is not the sum of its judgements\n  sum    %s\n  ledger %s\n",
			p.Judges[i].Name(), p.tally.ledgerText(), said.ledgerText())}
	}
	if !said.sameLedger(first) {
		return &Disagreement{len(s.Frames), fmt.Sprintf("the ledgers of judges %s and %s are not the same\n  %-7s %s\n  %-7s %s\n",
			p.Judges[0].Name(), p.Judges[i].Name(), p.Judges[0].Name(), first.ledgerText(), p.Judges[i].Name(), said.ledgerText())}
	}
	return nil
}

// Close closes the judges and returns the first error.
func (p *Panel) Close() error {
	var failed error
	for _, judge := range p.Judges {
		if err := judge.Close(); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

func (p *Panel) disagree(s *Sequence, frame int) *Disagreement {
	var text strings.Builder
	fmt.Fprintf(&text, "the judges disagree on frame %d of the sequence: %d bytes, %d of them linear\n",
		frame, len(s.Frames[frame].Bytes), s.Frames[frame].Linear)
	fmt.Fprintf(&text, "  options %+v\n", s.Options)
	fmt.Fprintf(&text, "  policy  %d of %d\n", s.Policies.index(s.Frames[frame].Policy), len(s.Policies.list))
	fmt.Fprintf(&text, "  frame   %x\n", s.Frames[frame].Bytes)
	for i, judge := range p.Judges {
		fmt.Fprintf(&text, "  %-7s %s\n", judge.Name(), judgementText(&p.judgements[i].List[frame]))
	}
	return &Disagreement{frame, text.String()}
}

func judgementText(j *mirror.Judgement) string {
	if !j.Packet.Session.Source.IsValid() {
		return fmt.Sprintf("%s consumed=%t", j.Outcome, j.Consumed)
	}
	return fmt.Sprintf("%s %s endpoint=%#x %s %s offset=%d length=%d arrived=%d captured=%d ethertype=%#04x truncated=%t rule=%d outputs=%#x data=%s",
		j.Outcome, j.Packet.Session, j.Packet.Endpoint, j.Packet.Direction, j.Packet.Tunnel, j.Offset,
		j.Packet.Length, j.Arrived, j.Captured, j.EtherType, j.Packet.Truncated, j.Packet.Rule, uint32(j.Packet.Outputs),
		hex.EncodeToString(j.Packet.Data))
}

// count fills in the ledger that the list of said adds up to; what a list does not
// tell is taken from the ledger of said.
func (j *Judgements) count(said *Judgements) {
	j.reset()
	maps.Copy(j.Strangers, said.Strangers)
	if !said.TellsAll {
		maps.Copy(j.Sessions, said.Sessions)
		j.Overflow = said.Overflow
	}
	for i := range said.List {
		judgement := &said.List[i]
		j.Received++
		j.Outcomes[judgement.Outcome]++
		if said.TellsAll && judgement.Packet.Session.Source.IsValid() {
			j.addToSession(judgement)
		}
	}
}

func (j *Judgements) addToSession(judgement *mirror.Judgement) {
	account, known := j.Sessions[judgement.Packet.Session]
	if !known && len(j.Sessions) == abi.LimitSessions-1 {
		addPacket(&j.Overflow, judgement)
		return
	}
	addPacket(&account, judgement)
	j.Sessions[judgement.Packet.Session] = account
}

func addPacket(account *mirror.SessionAccount, judgement *mirror.Judgement) {
	account.Packets++
	account.Bytes += uint64(judgement.Arrived)
	if judgement.Packet.Truncated {
		account.Truncated++
	}
	switch judgement.Outcome {
	case abi.OutcomeFiltered:
		account.Filtered++
	case abi.OutcomeSampledOut:
		account.SampledOut++
	}
}

func (j *Judgements) sameLedger(other *Judgements) bool {
	return j.Received == other.Received && j.Outcomes == other.Outcomes && j.Overflow == other.Overflow &&
		maps.Equal(j.Sessions, other.Sessions) && maps.Equal(j.Strangers, other.Strangers)
}

func (j *Judgements) ledgerText() string {
	return fmt.Sprintf("received=%d outcomes=%v overflow=%+v sessions=%v strangers=%v",
		j.Received, j.Outcomes, j.Overflow, j.Sessions, j.Strangers)
}
