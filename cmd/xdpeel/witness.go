package main

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// witness reads a capture and has each of its frames judged twice: by the policy
// in question, and by one that takes everything, which tells also of those packets
// that the policy does not want what they are.
type witness struct {
	name     string // of the capture, for a person to read
	reader   *capfile.Reader
	judge    *mirror.Decapsulator
	observer *mirror.Decapsulator
	policy   *mirror.Policy
	number   int // of the last frame, from 1
	others   int // frames that are no mirrored packets
}

func newWitness(in io.Reader, name string, c *config.Config) (w *witness, err error) {
	w = &witness{name: name, policy: c.Policy}
	if w.reader, err = capfile.NewReader(in); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if w.judge, err = mirror.NewDecapsulator(c.Judge, c.Policy); err != nil {
		return nil, err
	}
	w.observer, err = mirror.NewDecapsulator(c.Judge, mirror.TakeAll())
	return w, err
}

// explainAll explains the frame of a number, or all mirrored packets for 0. Those
// before the one are judged too: what they taught counts.
func (w *witness) explainAll(number int, e *explainer) error {
	for number == 0 || w.number < number {
		frame, err := w.reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", w.name, err)
		}
		w.number++
		if err := w.explain(frame, number, e); err != nil {
			return fmt.Errorf("explain frame %d: %w", w.number, err)
		}
	}
	return nil
}

func (w *witness) explain(frame capfile.Frame, number int, e *explainer) error {
	wireLength := max(frame.WireLength, len(frame.Data))
	judged := w.judge.Judge(frame.Data, wireLength)
	seen := w.observer.Judge(frame.Data, wireLength)
	isAsked := number == 0 || number == w.number
	if seen.Outcome != abi.OutcomeDelivered {
		if number == w.number {
			_, err := fmt.Fprintf(e.out, "frame %d: no mirrored packet\n  %-10s %s\n", w.number, "outcome", seen.Outcome)
			return err
		}
		w.others++
		return nil
	}
	if !isAsked {
		return nil
	}
	return e.explain(w.question(&judged, &seen), judged.Outcome)
}

// question puts together what both judges found.
func (w *witness) question(judged, seen *mirror.Judgement) question {
	q := question{
		session: seen.Packet.Session, direction: judged.Packet.Direction,
		headers: mirror.ReadHeaders(seen.Packet.Data), frame: seen.Packet.Data, arrived: seen.Arrived,
	}
	q.title = fmt.Sprintf("frame %d: %s, %s, length %d", w.number, q.session, export.Summary(q.frame), seen.Packet.Length)
	if seen.EtherType != 0 {
		q.frame = nil // its MACs are made up
	}
	direction, told := directionByAddress(q.session, &q.headers)
	if q.told = told; direction != q.direction {
		q.told = w.byMAC(q.session)
	}
	return q
}

// byMAC says how a MAC address told the direction of a session's packet.
func (w *witness) byMAC(session mirror.Session) string {
	if wanted := w.policy.Session(session); wanted != nil && wanted.MAC != [6]byte{} {
		return fmt.Sprintf("by the MAC address that the session names, %s", net.HardwareAddr(wanted.MAC[:]))
	}
	return "by the MAC address of the mirrored interface, which earlier packets of the session told"
}
