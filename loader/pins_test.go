package loader

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// newPinRoot mounts a bpffs of the test's own. What is pinned there goes with it.
func newPinRoot(t *testing.T) string {
	t.Helper()
	needRoot(t)
	root := t.TempDir()
	labtest.Mount(t, "bpf", root, "bpf", "")
	return filepath.Join(root, "xdpeel")
}

// incarnation is one process's hold on a program that outlives it.
type incarnation struct {
	t          *testing.T
	program    *Program
	attachment *Attachment
	consumer   *Veth
	reader     *Reader
}

// life is what a program goes through while processes come and go.
type life struct {
	*wire
	root     string
	consumer *lab.Namespace
	policy   *mirror.Policy
}

func newLife(t *testing.T) *life {
	l := &life{newWire(t, lab.VethOptions{MTU: wireMTU}), newPinRoot(t), labtest.NewNamespace(t), toVeth(mirror.FirstOutput)}
	t.Cleanup(func() {
		l.pair.B.Namespace.Do(func() error {
			_, err := Detach(l.pair.B.Name, l.root)
			return err
		})
	})
	return l
}

// begin is what a process does at its start.
func (l *life) begin() *incarnation {
	l.t.Helper()
	i := &incarnation{t: l.t}
	err := l.pair.B.Namespace.Do(func() error {
		pins, err := OpenPins(PinOptions{Root: l.root, Interfaces: []string{l.pair.B.Name}})
		if err != nil {
			return err
		}
		if i.program, err = LoadPinned(mirror.Options{}, l.policy, pins); err != nil {
			return err
		}
		if i.consumer, err = i.program.OpenVeth(l.vethOptions()); err != nil {
			return err
		}
		if i.attachment, err = i.program.Attach(l.pair.B.Name, ModeAuto); err != nil {
			return err
		}
		i.reader, err = i.program.NewReader()
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return i
}

func (l *life) vethOptions() VethOptions {
	o := vethOptions(slotOfVeth, wireMTU)
	o.Name, o.Peer, o.PeerNamespace, o.Queues = ourEnd, theirEnd, l.consumer.Name(), 1
	return o
}

// die lets go of everything, as the end of the process does however it comes.
func (i *incarnation) die() {
	i.t.Helper()
	if err := errors.Join(i.reader.Close(), i.attachment.Leave(), i.consumer.Leave(), i.program.Close()); err != nil {
		i.t.Fatal(err)
	}
}

// While no process lives the veth is fed, the ring fills, and everything is
// counted; the next one goes on where the last ended: with its counters, its
// veth, the packets in the ring, and not one frame lost while it took over.
func TestSuccession(t *testing.T) {
	l := newLife(t)
	first := l.begin()
	if first.attachment.Adopted || first.program.Adopted() {
		t.Error("the first adopts what is not there")
	}
	receiver := labtest.OpenReceiver(t, l.consumer, theirEnd)
	c := &consumer{namespace: l.consumer, end: theirEnd, receiver: receiver}
	if err := first.program.Note([]byte("ids")); err != nil {
		t.Fatal(err)
	}
	inner := frames.UDPFrame(client, instance, frames.Payload(100))
	frame := frames.Wrap(inner, 7, source, target)
	var want [][]byte
	send := func(n int) {
		l.send(slices.Repeat([][]byte{frame}, n))
		want = append(want, slices.Repeat([][]byte{inner}, n)...)
	}
	send(10)
	first.die()
	send(20)

	for range 5 {
		next := l.begin()
		if !next.attachment.Adopted || !next.program.Adopted() || next.attachment.Mode != ModeNative {
			t.Errorf("the next does not adopt: %+v", next.attachment)
		}
		if err := next.consumer.SelfTest(); err != nil {
			t.Error(err)
		}
		send(30)
		next.die()
		send(5)
	}
	sameFrames(t, want, c.receive(t, len(want)))

	last := l.begin()
	last.inherits(len(want))
	if _, err := OpenPins(PinOptions{Root: l.root, Interfaces: []string{"other"}}); err != nil {
		t.Error(err)
	}
	err := l.pair.B.Namespace.Do(func() error {
		_, err := OpenPins(PinOptions{Root: l.root, Interfaces: []string{l.pair.B.Name}})
		return err
	})
	if !errors.Is(err, ErrPinsInUse) {
		t.Errorf("a second process at the same time: %v, want %v", err, ErrPinsInUse)
	}
	l.undo(last)
}

// inherits expects the note, the packets and the counts of those before, so many.
func (i *incarnation) inherits(n int) {
	i.t.Helper()
	notes, err := i.program.pins.Notes()
	if err != nil || string(notes) != "ids" {
		i.t.Errorf("notes %q, %v", notes, err)
	}
	batch := mirror.NewBatch(4096, 4<<20)
	i.reader.Stop()
	if err := i.reader.Read(batch); err != nil || len(batch.Packets) != n {
		i.t.Errorf("%d packets in the ring, want %d: %v", len(batch.Packets), n, err)
	}
	ledger, slots, err := i.program.Ledger()
	if err != nil {
		i.t.Fatal(err)
	}
	if want := uint64(n); ledger.Received != want || slots[slotOfVeth].Offered != want || slots[slotOfVeth].Delivered != want {
		i.t.Errorf("%d received, veth %+v, want %d", ledger.Received, slots[slotOfVeth], n)
	}
}

// undo takes all of the last one off, and looks for what is left.
func (l *life) undo(last *incarnation) {
	l.t.Helper()
	err := l.pair.B.Namespace.Do(func() error {
		return errors.Join(last.reader.Close(), last.attachment.Close(), last.consumer.Remove(), last.program.Unpin(), last.program.Close())
	})
	if err != nil {
		l.t.Error(err)
	}
	if carries(l.t, l.pair.B) != 0 {
		l.t.Error("the program is left on the interface")
	}
	if left, _ := filepath.Glob(filepath.Join(l.root, "*", "*", "*")); len(left) > 0 {
		l.t.Errorf("pins are left: %v", left)
	}
}

// What another build of other maps left on an interface is taken over: the frames
// go on being judged, and it is said what could not be.
func TestTakeOver(t *testing.T) {
	l := newLife(t)
	first := l.begin()
	first.die()
	dirs, err := filepath.Glob(filepath.Join(l.root, "*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("layouts %v, %v", dirs, err)
	}
	// bpffs renames no directories: each pin is moved.
	entries, err := filepath.Glob(filepath.Join(dirs[0], "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(l.root, "vother", filepath.Base(filepath.Dir(entries[0])))
	if err := os.MkdirAll(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if err := os.Rename(entry, filepath.Join(elsewhere, filepath.Base(entry))); err != nil {
			t.Fatal(err)
		}
	}
	next := l.begin()
	if !next.attachment.Adopted || next.program.Adopted() {
		t.Errorf("attachment %+v, adopted %v", next.attachment, next.program.Adopted())
	}
	if err := l.pair.B.Namespace.Do(func() error { _, err := next.program.Tidy(); return err }); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("the pins of the other layout are left")
	}
	next.die()
}

// xdpeel detach takes all off that a daemon left behind.
func TestDetachPinned(t *testing.T) {
	l := newLife(t)
	l.begin().die()
	if carries(t, l.pair.B) == 0 {
		t.Fatal("the program does not outlive the process")
	}
	err := l.pair.B.Namespace.Do(func() error {
		holder, err := Detach(l.pair.B.Name, l.root)
		if holder == nil || !holder.Ours {
			t.Errorf("holder %+v", holder)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if carries(t, l.pair.B) != 0 {
		t.Error("the program is left")
	}
	if err := change(l.pair.B.Namespace, ourEnd, netlink.LinkSetUp)(); err == nil {
		t.Error("the veth is left")
	}
	if _, err := os.Stat(l.root); err == nil {
		t.Error("pins are left")
	}
}

// What a process has left goes although its program, or the interface, is gone already;
// but not from under one that runs.
func TestForget(t *testing.T) {
	l := newLife(t)
	first := l.begin()
	forget := func() (found bool, err error) {
		err = l.pair.B.Namespace.Do(func() (err error) {
			found, err = Forget(l.pair.B.Name, l.root)
			return err
		})
		return found, err
	}
	if found, err := forget(); found || !errors.Is(err, ErrPinsInUse) {
		t.Errorf("from under a process: %v, %v", found, err)
	}
	first.die()
	if err := change(l.pair.B.Namespace, l.pair.B.Name, netlink.LinkDel)(); err != nil {
		t.Fatal(err)
	}
	if found, err := forget(); !found || err != nil {
		t.Errorf("what is left: %v, %v", found, err)
	}
	if err := change(l.pair.B.Namespace, ourEnd, netlink.LinkSetUp)(); err == nil {
		t.Error("the veth is left")
	}
	if _, err := os.Stat(l.root); err == nil {
		t.Error("pins are left")
	}
	if found, err := forget(); found || err != nil {
		t.Errorf("where nothing is left: %v, %v", found, err)
	}
}
