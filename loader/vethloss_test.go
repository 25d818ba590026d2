package loader

import (
	"errors"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// mishap is what befalls packets on their way to a consumer.
type mishap struct {
	name   string
	befall func() error // nil: nothing but the frame itself
	mend   func() error // nil: it cannot be mended
	frame  []byte       // that is lost
	reason mirror.Loss
}

// What is lost on the way shows, to the packet, whatever the reason: the consumer's
// end down, our end down, a frame too long, the whole veth gone.
func TestVethLosses(t *testing.T) {
	inner := frames.UDPFrame(client, instance, frames.Payload(400))
	frame := frames.Wrap(inner, 7, source, target)
	tooLong := frames.Wrap(frames.UDPFrame(client, instance, frames.Payload(1500)), 7, source, target)
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			var c *consumer
			f := newFed(t, mode, toVeth(0), func(f *fed) { c = openConsumer(t, f.wire, f.program, vethOptions(slotOfVeth, 1500)) })
			theirs := func(what func(netlink.Link) error) func() error { return change(c.namespace, theirEnd, what) }
			ours := func(what func(netlink.Link) error) func() error { return change(f.pair.B.Namespace, ourEnd, what) }
			for _, m := range []mishap{
				{"their end down", theirs(netlink.LinkSetDown), theirs(netlink.LinkSetUp), frame, mirror.LossRedirectFailed},
				{"our end down", ours(netlink.LinkSetDown), ours(netlink.LinkSetUp), frame, mirror.LossRedirectFailed},
				{"too long", nil, nil, tooLong, mirror.Loss(abi.VethLossTooLong.String())},
				{"gone", ours(netlink.LinkDel), nil, frame, mirror.Loss(abi.VethLossNoInterface.String())},
			} {
				t.Run(m.name, func(t *testing.T) {
					f.suffer(t, m)
					if m.mend == nil {
						return
					}
					if err := errors.Join(m.mend(), c.veth.pair.Await()); err != nil {
						t.Fatal(err)
					}
					f.send([][]byte{frame})
					sameFrames(t, [][]byte{inner}, c.receive(t, 1))
				})
			}
		})
	}
}

// suffer sends packets after a mishap, and wants each to be lost for its reason.
func (f *fed) suffer(t *testing.T, m mishap) {
	t.Helper()
	if m.befall != nil {
		if err := m.befall(); err != nil {
			t.Fatal(err)
		}
	}
	const n = 30
	before, received := f.account(slotOfVeth), f.received()
	f.send(slices.Repeat([][]byte{m.frame}, n))
	f.awaitReceived(received + n)
	after := f.account(slotOfVeth)
	if after.Offered-before.Offered != n || after.Lost[m.reason]-before.Lost[m.reason] != n || after.Delivered != before.Delivered {
		t.Errorf("account went from %+v to %+v, want %d lost by %s", before, after, n, m.reason)
	}
}

// A burst that the veth's queue cannot take is counted to the packet.
func TestVethBurst(t *testing.T) {
	var c *consumer
	f := newFed(t, ModeNative, toVeth(0), func(f *fed) { c = openConsumer(t, f.wire, f.program, vethOptions(slotOfVeth, wireMTU)) })
	frame := frames.Wrap(frames.UDPFrame(client, instance, nil), 7, source, target)
	f.send(slices.Repeat([][]byte{frame}, 20_000))
	f.awaitReceived(20_000)
	account := f.account(slotOfVeth)
	if account.Offered != 20_000 || account.Delivered+account.Lost[mirror.LossRedirectFailed] != 20_000 {
		t.Errorf("account %+v", account)
	}
	if got := c.receive(t, int(account.Delivered)); len(got) != int(account.Delivered) {
		t.Errorf("%d frames received of %d delivered", len(got), account.Delivered)
	}
}
