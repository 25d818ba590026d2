package judges

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"strings"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// disagreement is the first frame of a sequence of which the judges do not say
// the same, or what they count differently.
type disagreement struct {
	Frame  int // its index, or the number of frames if the ledgers disagree
	report string
}

// Error returns the frame in hexadecimal and what each judge says of it.
func (d *disagreement) Error() string { return d.report }

// checkLedger compares what a judge counted with what it said, and with what the
// first judge counted.
func (p *Panel) checkLedger(s *sequence, i int) error {
	first, said := &p.judgements[0], &p.judgements[i]
	p.tally.count(said)
	if !said.sameLedger(&p.tally) {
		return &disagreement{len(s.Frames), fmt.Sprintf("the ledger of judge %s is not the sum of its judgements\n  sum    %s\n  ledger %s\n",
			p.judges[i].Name(), p.tally.ledgerText(), said.ledgerText())}
	}
	if !said.sameLedger(first) {
		return &disagreement{len(s.Frames), fmt.Sprintf("the ledgers of judges %s and %s are not the same\n  %-7s %s\n  %-7s %s\n",
			p.judges[0].Name(), p.judges[i].Name(), p.judges[0].Name(), first.ledgerText(), p.judges[i].Name(), said.ledgerText())}
	}
	return nil
}

func (p *Panel) disagree(s *sequence, frame int) *disagreement {
	var text strings.Builder
	fmt.Fprintf(&text, "the judges disagree on frame %d of the sequence: %d bytes, %d of them linear\n",
		frame, len(s.Frames[frame].Bytes), s.Frames[frame].Linear)
	fmt.Fprintf(&text, "  options %+v\n", s.Options)
	fmt.Fprintf(&text, "  policy  %d of %d\n", s.Policies.index(s.Frames[frame].Policy), len(s.Policies.list))
	fmt.Fprintf(&text, "  frame   %x\n", s.Frames[frame].Bytes)
	for i, judge := range p.judges {
		fmt.Fprintf(&text, "  %-7s %s\n", judge.Name(), judgementText(&p.judgements[i].List[frame]))
	}
	return &disagreement{frame, text.String()}
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

// equal says whether two judges said the same of a frame, as far as both can.
func equal(a, b *mirror.Judgement) bool {
	if a.Outcome != b.Outcome || a.Consumed != b.Consumed {
		return false
	}
	if a.Outcome != abi.OutcomeDelivered {
		return true
	}
	return a.Offset == b.Offset && a.Arrived == b.Arrived &&
		a.Captured == b.Captured && a.EtherType == b.EtherType &&
		a.Packet.Session == b.Packet.Session && a.Packet.Endpoint == b.Packet.Endpoint &&
		a.Packet.Direction == b.Packet.Direction && a.Packet.Tunnel == b.Packet.Tunnel &&
		a.Packet.Truncated == b.Packet.Truncated && a.Packet.Length == b.Packet.Length &&
		a.Packet.Rule == b.Packet.Rule && a.Packet.Outputs == b.Packet.Outputs &&
		bytes.Equal(a.Packet.Data, b.Packet.Data)
}
