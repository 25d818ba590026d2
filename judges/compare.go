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
	Judges     []Judge
	judgements []Judgements
	tally      Judgements
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
	p.tally.count(first.List)
	for i := range p.judgements {
		if said := &p.judgements[i]; !said.sameLedger(&p.tally) {
			return nil, &Disagreement{len(s.Frames), fmt.Sprintf("the ledger of judge %s is not the sum of its judgements\n  sum    %s\n  ledger %s\n",
				p.Judges[i].Name(), p.tally.ledgerText(), said.ledgerText())}
		}
	}
	return first, nil
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
	fmt.Fprintf(&text, "  frame   %x\n", s.Frames[frame].Bytes)
	for i, judge := range p.Judges {
		fmt.Fprintf(&text, "  %-7s %s\n", judge.Name(), judgementText(&p.judgements[i].List[frame]))
	}
	return &Disagreement{frame, text.String()}
}

func judgementText(j *mirror.Judgement) string {
	if j.Outcome != abi.OutcomeDelivered {
		return j.Outcome.String()
	}
	return fmt.Sprintf("%s %s endpoint=%#x %s %s offset=%d length=%d arrived=%d captured=%d ethertype=%#04x truncated=%t data=%s",
		j.Outcome, j.Packet.Session, j.Packet.Endpoint, j.Packet.Direction, j.Packet.Tunnel, j.Offset,
		j.Packet.Length, j.Arrived, j.Captured, j.EtherType, j.Packet.Truncated, hex.EncodeToString(j.Packet.Data))
}

// count fills in the ledger that judgements add up to.
func (j *Judgements) count(list []mirror.Judgement) {
	j.reset()
	for i := range list {
		judgement := &list[i]
		j.Received++
		j.Outcomes[judgement.Outcome]++
		if judgement.Outcome != abi.OutcomeDelivered {
			continue
		}
		account, known := j.Sessions[judgement.Packet.Session]
		if !known && len(j.Sessions) == abi.LimitSessions-1 {
			addPacket(&j.Overflow, judgement)
			continue
		}
		addPacket(&account, judgement)
		j.Sessions[judgement.Packet.Session] = account
	}
}

func addPacket(account *mirror.SessionAccount, judgement *mirror.Judgement) {
	account.Packets++
	account.Bytes += uint64(judgement.Arrived)
	if judgement.Packet.Truncated {
		account.Truncated++
	}
}

func (j *Judgements) sameLedger(other *Judgements) bool {
	return j.Received == other.Received && j.Outcomes == other.Outcomes &&
		j.Overflow == other.Overflow && maps.Equal(j.Sessions, other.Sessions)
}

func (j *Judgements) ledgerText() string {
	return fmt.Sprintf("received=%d outcomes=%v overflow=%+v sessions=%v", j.Received, j.Outcomes, j.Overflow, j.Sessions)
}
