package loader

import (
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

func TestVethLosses(t *testing.T) {
	inner := frames.UDPFrame(client, instance, frames.Payload(400))
	frame := frames.Wrap(inner, 7, source, target)
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			var c *consumer
			f := newFed(t, mode, toVeth(0), func(f *fed) { c = openConsumer(t, f.wire, f.program, vethOptions(slotOfVeth, 1500)) })
			for _, each := range []struct {
				name   string
				break_ func() error
				mend   func() error
				frame  []byte
				reason mirror.Loss
			}{
				{"their end down", change(c.namespace, theirEnd, netlink.LinkSetDown), change(c.namespace, theirEnd, netlink.LinkSetUp), frame, mirror.LossRedirectFailed},
				{"our end down", change(f.pair.B.Namespace, ourEnd, netlink.LinkSetDown), change(f.pair.B.Namespace, ourEnd, netlink.LinkSetUp), frame, mirror.LossRedirectFailed},
				{"too long", nil, nil, frames.Wrap(frames.UDPFrame(client, instance, frames.Payload(1500)), 7, source, target), mirror.Loss(abi.VethLossTooLong.String())},
				{"gone", change(f.pair.B.Namespace, ourEnd, netlink.LinkDel), nil, frame, mirror.Loss(abi.VethLossNoInterface.String())},
			} {
				t.Run(each.name, func(t *testing.T) {
					if each.break_ != nil {
						if err := each.break_(); err != nil {
							t.Fatal(err)
						}
					}
					const n = 30
					before, received := f.account(slotOfVeth), f.received()
					f.send(repeat(each.frame, n))
					f.awaitReceived(received + n)
					after := f.account(slotOfVeth)
					if after.Offered-before.Offered != n || after.Lost[each.reason]-before.Lost[each.reason] != n || after.Delivered != before.Delivered {
						t.Errorf("account went from %+v to %+v, want %d lost by %s", before, after, n, each.reason)
					}
					if each.mend != nil {
						if err := each.mend(); err != nil {
							t.Fatal(err)
						}
						if err := c.veth.pair.Await(); err != nil {
							t.Fatal(err)
						}
						f.send([][]byte{frame})
						sameFrames(t, [][]byte{inner}, c.receive(t, 1))
					}
				})
			}
		})
	}
}

func repeat(frame []byte, n int) (list [][]byte) {
	for range n {
		list = append(list, frame)
	}
	return list
}

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

func TestVethBurst(t *testing.T) {
	var c *consumer
	f := newFed(t, ModeNative, toVeth(0), func(f *fed) { c = openConsumer(t, f.wire, f.program, vethOptions(slotOfVeth, wireMTU)) })
	frame := frames.Wrap(frames.UDPFrame(client, instance, nil), 7, source, target)
	f.send(repeat(frame, 20_000))
	f.awaitReceived(20_000)
	account := f.account(slotOfVeth)
	if account.Offered != 20_000 || account.Delivered+account.Lost[mirror.LossRedirectFailed] != 20_000 {
		t.Errorf("account %+v", account)
	}
	if got := c.receive(t, int(account.Delivered)); len(got) != int(account.Delivered) {
		t.Errorf("%d frames received of %d delivered", len(got), account.Delivered)
	}
}
