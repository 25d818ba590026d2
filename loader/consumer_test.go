package loader

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/loader/pair"
	"github.com/xdpeel/xdpeel/mirror"
)

// fed is a wire whose far end feeds consumers.
type fed struct {
	*wire
	program *Program
}

// newFed attaches a program of a policy, whose veths open has opened.
func newFed(t *testing.T, mode Mode, policy *mirror.Policy, open func(f *fed)) *fed {
	t.Helper()
	f := &fed{newWire(t, lab.VethOptions{MTU: wireMTU, Queues: 2}), newProgram(t, mirror.Options{})}
	open(f)
	err := f.pair.B.Namespace.Do(func() error { return f.program.SetPolicy(policy) })
	if err != nil {
		t.Fatal(err)
	}
	mustAttach(t, f.program, f.pair.B, mode)
	return f
}

// account is that of the veth in a slot.
func (f *fed) account(slot int) mirror.OutputAccount {
	f.t.Helper()
	accounts := new(SlotAccounts)
	if err := f.program.readVethAccounts(accounts); err != nil {
		f.t.Fatal(err)
	}
	return accounts[slot]
}

// received returns how many frames the program has counted.
func (f *fed) received() uint64 {
	f.t.Helper()
	return (&listener{t: f.t, program: f.program}).received()
}

// awaitReceived waits until it has counted n.
func (f *fed) awaitReceived(n uint64) {
	f.t.Helper()
	(&listener{t: f.t, program: f.program}).awaitReceived(n)
}

// consumer is the network namespace of a consumer, with a veth into it.
type consumer struct {
	namespace *lab.Namespace
	end       string // its name there
	veth      *Veth
	receiver  *lab.Receiver
}

// Names of a veth's ends in tests.
const ourEnd, theirEnd = "xdpeel0", "xdpeel0-ids"

// openConsumer makes a veth from a wire's far end into a namespace of its own.
func openConsumer(t *testing.T, w *wire, program *Program, o VethOptions) *consumer {
	t.Helper()
	c := &consumer{namespace: labtest.NewNamespace(t)}
	o.PeerNamespace = c.namespace.Name()
	if o.Name == "" {
		o.Name, o.Peer = ourEnd, theirEnd
	}
	o.MTU, o.Queues = max(o.MTU, 1500), max(o.Queues, 1)
	err := w.pair.B.Namespace.Do(func() (err error) {
		c.veth, err = program.OpenVeth(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.veth.Remove(); err != nil {
			t.Error(err)
		}
	})
	c.end = o.Peer
	if c.receiver, err = lab.OpenReceiver(c.namespace, o.Peer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.receiver.Close() })
	return c
}

func vethOptions(slot int, mtu int) VethOptions {
	return VethOptions{Options: pair.Options{MTU: mtu}, Slot: slot}
}

// receive returns what a consumer receives until there are n frames, or none for some time.
func (c *consumer) receive(t *testing.T, n int) (received [][]byte) {
	t.Helper()
	for len(received) < n {
		frame, err := c.receiver.Receive(time.Now().Add(2 * time.Second))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return received
		}
		if errors.Is(err, unix.ENETDOWN) { // it was, since the last call
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		received = append(received, frame)
	}
	return received
}

// expectNothing fails if a consumer receives another frame.
func (c *consumer) expectNothing(t *testing.T) {
	t.Helper()
	frame, err := c.receiver.Receive(time.Now().Add(50 * time.Millisecond))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more frame of %d bytes (%v): %x", len(frame), err, frame)
	}
}

// sameFrames fails unless just the wanted frames are there, in order and byte for byte.
func sameFrames(t *testing.T, want, got [][]byte) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%d frames, want %d", len(got), len(want))
	}
	for i := range min(len(want), len(got)) {
		if !bytes.Equal(want[i], got[i]) {
			t.Fatalf("frame %d of %d bytes, want %d\n got %.200x\nwant %.200x", i, len(got[i]), len(want[i]), got[i], want[i])
		}
	}
}

// wrapAll wraps inner frames as their mirror session would.
func wrapAll(inner [][]byte) (list [][]byte) {
	for _, frame := range inner {
		list = append(list, frames.Wrap(frame, 7, source, target))
	}
	return list
}

// change returns a function that changes an interface in a namespace.
func change(n *lab.Namespace, name string, what func(netlink.Link) error) func() error {
	return func() error {
		return n.Do(func() error {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			return what(link)
		})
	}
}
