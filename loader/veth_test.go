package loader

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/loader/pair"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/cases"
)

// The frames of all cases, over a real wire into a real veth: the consumer receives
// the inner frames, byte for byte and in order, and nothing else.
func TestVethReceivesInnerFrames(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		for name, vlan := range map[string]uint16{"plain": 0, "tagged": 100} {
			t.Run(fmt.Sprintf("%s/%s", mode, name), func(t *testing.T) {
				var c *consumer
				f := newFed(t, mode, toVeth(0), func(f *fed) {
					o := vethOptions(slotOfVeth, wireMTU)
					o.Tagged = vlan != 0
					c = openConsumer(t, f.wire, f.program, o)
				})
				sent, want, account := handedOver(t, mode, vlan)
				f.send(sent)
				sameFrames(t, want, c.receive(t, len(want)))
				c.expectNothing(t)
				if diff := cmp.Diff(account, f.account(slotOfVeth)); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// handedOver returns the frames of all cases that a wire carries, and by the reference
// what a consumer gets of them, with a tag or without, and the veth's account.
func handedOver(t *testing.T, mode Mode, vlan uint16) (sent, handed [][]byte, account mirror.OutputAccount) {
	t.Helper()
	reference, err := mirror.NewDecapsulator(mirror.Options{}, toVeth(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range onWire(cases.All()) {
		if len(each.Frame) > largestReplay {
			continue
		}
		sent = append(sent, each.Frame)
		judgement := reference.Judge(each.Frame, len(each.Frame))
		if judgement.Outcome != abi.OutcomeDelivered {
			continue
		}
		account.Offered++
		inner := judgement.AppendHandover(nil, each.Frame, vlan)
		if reason := refusal(mode, each.Frame, inner); reason != "" {
			account.Lose(reason, 1)
			continue
		}
		account.Delivered++
		handed = append(handed, inner)
	}
	return sent, handed, account
}

// firstBuffer is how many bytes a veth has in the first buffer of a frame in several.
const firstBuffer = 3520

// refusal is why the kernel takes no frame that arrived as outer and would be handed
// over as handed; "" if it does.
func refusal(mode Mode, outer, handed []byte) mirror.Loss {
	isTagged := handed[12] == 0x81 && handed[13] == 0 || handed[12] == 0x88 && handed[13] == 0xa8
	switch {
	case mode == ModeNative && len(outer) > firstBuffer && !knowsFragments():
		return mirror.Loss(abi.VethLossInParts.String())
	case isTagged && len(handed) < 14+4+2:
		return mirror.Loss(abi.VethLossBrokenTag.String())
	}
	return ""
}

// Jumbo frames, which are spread over several buffers, arrive whole.
func TestVethReceivesJumboFrames(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			var c *consumer
			f := newFed(t, mode, toVeth(0), func(f *fed) { c = openConsumer(t, f.wire, f.program, vethOptions(slotOfVeth, wireMTU)) })
			var sent, want [][]byte
			for length := 1400; length <= 9100; length += 70 {
				inner := frames.UDPFrame(client, instance, frames.Payload(length))
				sent = append(sent, frames.Wrap(inner, 7, source, target))
				if refusal(mode, sent[len(sent)-1], inner) == "" {
					want = append(want, inner)
				}
			}
			f.send(sent)
			sameFrames(t, want, c.receive(t, len(want)))
			account := f.account(slotOfVeth)
			inParts := account.Lost[mirror.Loss(abi.VethLossInParts.String())]
			if account.Delivered != uint64(len(want)) || inParts != uint64(len(sent)-len(want)) {
				t.Errorf("account %+v, want %d of %d delivered", account, len(want), len(sent))
			}
		})
	}
}

// Frames of 10,000 flows over two queues: each flow stays on one CPU, the queues
// are within 10 % of even, and each frame arrives.
func TestVethQueues(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			const queues = 2
			flows := 10_000
			if testing.Short() {
				flows = 1000
			}
			policy := toVeth(0)
			policy.Spread = policy.Veths
			var c *consumer
			f := newFed(t, mode, policy, func(f *fed) {
				o := vethOptions(slotOfVeth, wireMTU)
				o.Queues = queues
				c = openConsumer(t, f.wire, f.program, o)
			})
			// As a network card does, the wire's end forgets which CPU its frames came from.
			offloads{"rx-gro": true}.set(t, f.pair.B.Namespace, f.pair.B.Name)
			sent, want := bothWays(flows, policy.Seed, queues)
			// So few at a time that no queue overflows, however busy the machine.
			var got [][]byte
			for some := range slices.Chunk(sent, 100) {
				f.send(some)
				got = append(got, c.receive(t, len(some))...)
			}
			account := f.account(slotOfVeth)
			if len(got) != len(sent) || account.Delivered != uint64(len(sent)) {
				lost, err := c.receiver.Lost()
				t.Errorf("%d frames received, %d lost at the socket (%v), account %+v, want %d", len(got), lost, err, account, len(sent))
			}
			if mode == ModeNative || movesGeneric() { // else each frame stays where it came
				f.checkLanes(want, uint64(len(sent)/queues))
			}
		})
	}
}

// bothWays returns mirrored packets of many flows, one a direction, and how many of them
// belong onto each of n CPUs.
func bothWays(flows int, seed uint64, n int) (mirrored [][]byte, lanes []uint64) {
	lanes = make([]uint64, n)
	for flow := range flows {
		there := frames.Peer{MAC: client.MAC, Address: client.Address, Port: uint16(1024 + flow)}
		for _, inner := range [][]byte{frames.UDPFrame(there, instance, nil), frames.UDPFrame(instance, there, nil)} {
			headers := mirror.ReadHeaders(inner)
			lanes[mirror.LaneOf(headers.FlowHash(seed, inner), n)]++
			mirrored = append(mirrored, frames.Wrap(inner, 7, source, target))
		}
	}
	return mirrored, lanes
}

// checkLanes wants so many frames to have arrived on each CPU, and as good as even.
func (f *fed) checkLanes(want []uint64, even uint64) {
	f.t.Helper()
	var cpus []bpf.XdpeelVethAccount
	if err := f.program.maps.VethAccounts.Lookup(uint32(slotOfVeth), &cpus); err != nil {
		f.t.Fatal(err)
	}
	for cpu, n := range want {
		if cpus[cpu].Arrived != n {
			f.t.Errorf("%d frames arrived on CPU %d, want %d", cpus[cpu].Arrived, cpu, n)
		}
		if n < even*9/10 || n > even*11/10 {
			f.t.Errorf("CPU %d has %d frames: not within 10 %% of %d", cpu, n, even)
		}
	}
}

// Of veths that share by copy each gets every frame; of a frame in several buffers,
// which the kernel does not copy, the first veth does, and the others' loss is counted.
func TestVethCopies(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			policy := &mirror.Policy{
				Veths:    1<<2 | 1<<5,
				Sessions: []mirror.SessionPolicy{{AnyVNI: true, Outputs: 1<<2 | 1<<5, Sharing: abi.SharingCopy}},
			}
			var first, second *consumer
			f := newFed(t, mode, policy, func(f *fed) {
				first = openConsumer(t, f.wire, f.program, vethOptions(2, wireMTU))
				o := vethOptions(5, wireMTU)
				o.Name, o.Peer = "xdpeel1", "xdpeel1-ids"
				second = openConsumer(t, f.wire, f.program, o)
			})
			small := [][]byte{frames.UDPFrame(client, instance, frames.Payload(10)), frames.UDPFrame(client, instance, frames.Payload(3000))}
			large := frames.UDPFrame(client, instance, frames.Payload(9000))
			f.send(wrapAll(append(small, large)))
			wantFirst := small
			if refusal(mode, wrapAll([][]byte{large})[0], large) == "" {
				wantFirst = append(small, large)
			}
			sameFrames(t, wantFirst, first.receive(t, 3))
			got := second.receive(t, 3)
			sameFrames(t, small, got[:2])
			account := f.account(5)
			notCopied := account.Lost[mirror.Loss(abi.VethLossNotCopied.String())]
			if account.Offered != 3 || account.Delivered != uint64(len(got)) || notCopied != uint64(3-len(got)) {
				t.Errorf("second veth: account %+v, %d frames received", account, len(got))
			}
			if account := f.account(2); account.Offered != 3 || account.Delivered != uint64(len(wantFirst)) {
				t.Errorf("first veth: account %+v", account)
			}
		})
	}
}

// The self-test tells whether the consumer's end receives, and no consumer sees it.
func TestVethSelfTest(t *testing.T) {
	var c *consumer
	newFed(t, ModeNative, toVeth(0), func(f *fed) { c = openConsumer(t, f.wire, f.program, vethOptions(slotOfVeth, 1500)) })
	if err := c.veth.SelfTest(); err != nil {
		t.Error(err)
	}
	c.expectNothing(t)
	if err := change(c.namespace, theirEnd, netlink.LinkSetDown)(); err != nil {
		t.Fatal(err)
	}
	// The kernel tells our end of it a moment later (net/core/link_watch.c).
	want := pair.State{Up: true}
	labtest.Eventually(t, "our end is up and theirs down", func() bool { return c.veth.State() == want })
	if err := c.veth.SelfTest(); err == nil {
		t.Error("self-test passes with the consumer's end down")
	}
}
