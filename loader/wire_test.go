package loader

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/corpus"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/cases"
)

// listener collects what comes out of the rings of a program on a wire.
type listener struct {
	t          *testing.T
	program    *Program
	attachment *Attachment
	reader     *Reader
	packets    []mirror.Packet
	taken      atomic.Uint64 // how many packets there are, for those who may not look at them yet
	done       chan error
}

func listen(t *testing.T, end lab.End, mode Mode, o mirror.Options) *listener {
	t.Helper()
	l := &listener{t: t, program: newProgram(t, o), done: make(chan error, 1)}
	l.start(end, mode)
	return l
}

func (l *listener) start(end lab.End, mode Mode) {
	l.t.Helper()
	l.attachment = mustAttach(l.t, l.program, end, mode)
	var err error
	if l.reader, err = l.program.NewReader(); err != nil {
		l.t.Fatal(err)
	}
	go func() { l.done <- l.collect() }()
}

func (l *listener) collect() error {
	batch := mirror.NewBatch(1024, 4<<20)
	for {
		batch.Reset()
		if err := l.reader.Read(batch); err != nil {
			return err
		}
		for _, packet := range batch.Packets {
			packet.Data = slices.Clone(packet.Data)
			l.packets = append(l.packets, packet)
		}
		l.taken.Store(uint64(len(l.packets)))
	}
}

// end takes the program off and returns the ledger and what the rings lost, for all outputs.
// After it, packets holds all that was delivered.
func (l *listener) end() (*mirror.Ledger, map[mirror.Loss]uint64) {
	l.t.Helper()
	if err := l.attachment.Close(); err != nil {
		l.t.Error(err)
	}
	l.reader.Stop()
	if err := <-l.done; err != io.EOF {
		l.t.Error(err)
	}
	if err := l.reader.Close(); err != nil {
		l.t.Error(err)
	}
	ledger, slots, err := l.program.Ledger()
	if err != nil {
		l.t.Fatal(err)
	}
	var sum uint64
	for _, n := range ledger.Outcomes {
		sum += n
	}
	if sum != ledger.Received {
		l.t.Errorf("%d frames received, %d with an outcome", ledger.Received, sum)
	}
	lost := map[mirror.Loss]uint64{}
	for _, slot := range slots {
		for reason, n := range slot.Lost {
			lost[reason] += n
		}
	}
	return ledger, lost
}

// awaitReceived waits until the program has counted n frames: they are all on
// this side of the wire then.
func (l *listener) awaitReceived(n uint64) {
	l.t.Helper()
	labtest.Eventually(l.t, "all frames are received", func() bool { return l.received() >= n })
}

// received returns how many frames the program has counted.
func (l *listener) received() uint64 {
	l.t.Helper()
	ledger, _, err := l.program.Ledger()
	if err != nil {
		l.t.Fatal(err)
	}
	return ledger.Received
}

func (w *wire) send(list [][]byte) {
	w.t.Helper()
	sender, err := lab.OpenSender(w.pair.A.Namespace, w.pair.A.Name)
	if err != nil {
		w.t.Fatal(err)
	}
	defer sender.Close()
	// From one CPU: of two, each with frames of its own on the way, the later may be first.
	err = lab.OnFirstCPU(func() error {
		for i, frame := range list {
			if err := sender.Send(frame); err != nil {
				return fmt.Errorf("send frame %d of %d bytes: %w", i, len(frame), err)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Of the wires in these tests: the MTU, and the longest frame that they carry, in bytes.
const (
	wireMTU       = 9216
	largestReplay = wireMTU + 14
)

// Every capture of the corpus, replayed frame by frame, gives the frames that two
// independent dissectors found in it, in order, and nothing else.
func TestCorpusOnTheWire(t *testing.T) {
	captures, err := corpus.Mirrored()
	if errors.Is(err, corpus.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		w := newWire(t, lab.VethOptions{MTU: wireMTU})
		for _, capture := range captures {
			t.Run(string(mode)+"/"+capture.Name, func(t *testing.T) {
				w.t = t
				replayCapture(t, w, mode, capture)
			})
		}
	}
}

func replayCapture(t *testing.T, w *wire, mode Mode, capture corpus.Capture) {
	var sent [][]byte
	var want []string
	for _, frame := range capture.Frames {
		if len(frame.Data) > largestReplay {
			continue
		}
		sent = append(sent, frame.Data)
		if frame.Action == corpus.Decap {
			want = append(want, frame.InnerHash)
		}
	}
	l := listen(t, w.pair.B, mode, mirror.Options{VXLANPorts: capture.Ports.VXLAN, GENEVEPorts: capture.Ports.GENEVE})
	w.send(sent)
	l.awaitReceived(uint64(len(sent)))
	ledger, lost := l.end()

	var got []string
	for _, packet := range l.packets {
		got = append(got, corpus.Hash(withoutMadeUp(packet)))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	if ledger.Received != uint64(len(sent)) || ledger.Outcomes[abi.OutcomeDelivered] != uint64(len(got)) || len(lost) > 0 {
		t.Errorf("%d of %d received, %d of %d delivered, lost %v",
			ledger.Received, len(sent), ledger.Outcomes[abi.OutcomeDelivered], len(got), lost)
	}
}

// withoutMadeUp is the inner frame as it was in the tunnel: the corpus hashes bare
// payloads without an Ethernet header.
func withoutMadeUp(packet mirror.Packet) []byte {
	made := mirror.AppendMadeUpEthernet(nil, 0)
	if packet.Tunnel == abi.TunnelGENEVE && len(packet.Data) >= 14 && string(packet.Data[:12]) == string(made[:12]) {
		return packet.Data[14:]
	}
	return packet.Data
}

// Frames of several buffers: every length around where the first buffer ends, so
// that each header straddles it in one of them.
func TestJumboFrames(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWire(t, lab.VethOptions{MTU: wireMTU})
			l := listen(t, w.pair.B, mode, mirror.Options{})
			var sent [][]byte
			var want []mirror.Packet
			session := mirror.Session{VNI: 7, Source: source}
			for length := 1400; length <= 9100; length += 70 {
				inner := frames.UDPFrame(client, instance, frames.Payload(length))
				sent = append(sent, frames.Wrap(inner, session.VNI, source, target))
				want = append(want, mirror.Packet{
					Session: session, Direction: abi.DirectionIngress, Length: len(inner), Data: inner, Outputs: mirror.FirstOutput,
				})
			}
			w.send(sent)
			l.awaitReceived(uint64(len(sent)))
			_, lost := l.end()
			for i := range l.packets {
				l.packets[i].Time = 0
			}
			if diff := cmp.Diff(want, l.packets, cmpSessions); diff != "" || len(lost) > 0 {
				t.Errorf("packets (-want +got), lost %v:\n%s", lost, diff)
			}
		})
	}
}

// All cases in one go over a real wire give the ledger that the table adds up to.
func TestCasesOnTheWire(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWire(t, lab.VethOptions{MTU: wireMTU})
			var list []cases.Case
			for _, c := range onWire(cases.All()) {
				if len(c.Frame) <= largestReplay {
					list = append(list, c)
				}
			}
			l := listen(t, w.pair.B, mode, mirror.Options{})
			var sent [][]byte
			for _, c := range list {
				sent = append(sent, c.Frame)
			}
			w.send(sent)
			l.awaitReceived(uint64(len(sent)))
			ledger, lost := l.end()
			if diff := cmp.Diff(cases.Ledger(list), ledger, cmpSessions); diff != "" || len(lost) > 0 {
				t.Errorf("ledger (-want +got), lost %v:\n%s", lost, diff)
			}
		})
	}
}

// A reader that does not read loses packets, and every one of them is counted.
func TestRingOverflow(t *testing.T) {
	w := newWire(t, lab.VethOptions{MTU: wireMTU})
	l := &listener{t: t, program: newProgram(t, mirror.Options{}), done: make(chan error, 1)}
	l.attachment = mustAttach(t, l.program, w.pair.B, ModeNative)
	frame := frames.Wrap(frames.UDPFrame(client, instance, frames.Payload(8900)), 7, source, target)
	var room uint64
	for _, fill := range l.program.RingFills() {
		room += fill.Size
	}
	n := int(room)/9216 + 500
	w.send(slices.Repeat([][]byte{frame}, n))
	l.awaitReceived(uint64(n))

	var err error
	if l.reader, err = l.program.NewReader(); err != nil {
		t.Fatal(err)
	}
	go func() { l.done <- l.collect() }()
	ledger, lost := l.end()
	full := lost[mirror.Loss(abi.RingLossRingFull.String())]
	account := ledger.Sessions[mirror.Session{VNI: 7, Source: source}]
	if full == 0 || full+uint64(len(l.packets)) != uint64(n) || ledger.Outcomes[abi.OutcomeDelivered] != uint64(n) {
		t.Errorf("%d sent, %d delivered: %d read and %v lost", n, ledger.Outcomes[abi.OutcomeDelivered], len(l.packets), lost)
	}
	if account.Packets != uint64(n) || account.Lost != full {
		t.Errorf("session %+v, want %d packets, %d lost", account, n, full)
	}
}

// What was sent before the program was taken off and the reader stopped is read.
func TestNothingIsLostAtTheEnd(t *testing.T) {
	w := newWire(t, lab.VethOptions{})
	frame := frames.Wrap(frames.UDPFrame(client, instance, nil), 7, source, target)
	for range 20 {
		t.Run("end", func(t *testing.T) { // a guest has no memory for twenty programs at once
			l := listen(t, w.pair.B, ModeNative, mirror.Options{})
			w.send(slices.Repeat([][]byte{frame}, 20))
			ledger, lost := l.end()
			if delivered := ledger.Outcomes[abi.OutcomeDelivered]; delivered != uint64(len(l.packets)) || len(lost) > 0 {
				t.Fatalf("%d delivered, %d read, lost %v", delivered, len(l.packets), lost)
			}
		})
	}
}

// Times are the wall clock's, and in order.
func TestTimes(t *testing.T) {
	w := newWire(t, lab.VethOptions{})
	l := listen(t, w.pair.B, ModeNative, mirror.Options{})
	frame := frames.Wrap(frames.UDPFrame(client, instance, nil), 7, source, target)
	before := time.Now().UnixNano()
	w.send(slices.Repeat([][]byte{frame}, 100))
	l.awaitReceived(100)
	after := time.Now().UnixNano()
	l.end()
	last := before - int64(time.Millisecond)
	for i, packet := range l.packets {
		if packet.Time < last || packet.Time > after+int64(time.Millisecond) {
			t.Fatalf("packet %d at %d, want from %d to %d", i, packet.Time, last, after)
		}
		last = packet.Time
	}
}

func TestStopEndsAWait(t *testing.T) {
	program := newProgram(t, mirror.Options{})
	reader, err := program.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ended := make(chan error)
	go func() { ended <- reader.Read(mirror.NewBatch(1, 1<<16)) }()
	reader.Stop()
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("read: %v, want io.EOF", err)
	}
}
