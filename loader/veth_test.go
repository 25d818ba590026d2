package loader

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/loader/pair"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/cases"
)

// fed is a wire whose far end feeds consumers.

type fed struct {
	*wire
	program *Program
}

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

func (f *fed) account(slot int) mirror.OutputAccount {
	f.t.Helper()
	accounts := new(SlotAccounts)
	if err := f.program.readVethAccounts(accounts); err != nil {
		f.t.Fatal(err)
	}
	return accounts[slot]
}

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

// The frames of all cases, over a real wire into a real veth: the consumer receives

// the inner frames, byte for byte and in order, and nothing else.

func TestVethReceivesInnerFrames(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		for name, tagged := range map[string]bool{"plain": false, "tagged": true} {
			t.Run(fmt.Sprintf("%s/%s", mode, name), func(t *testing.T) {
				var c *consumer
				f := newFed(t, mode, toVeth(0), func(f *fed) {
					o := vethOptions(slotOfVeth, wireMTU)
					o.Tagged = tagged
					c = openConsumer(t, f.wire, f.program, o)
				})
				reference, err := mirror.NewDecapsulator(mirror.Options{}, toVeth(0))
				if err != nil {
					t.Fatal(err)
				}
				var sent, want [][]byte
				wantAccount := mirror.OutputAccount{}
				for _, each := range onWire(cases.All()) {
					if len(each.Frame) > largestReplay {
						continue
					}
					sent = append(sent, each.Frame)
					judgement := reference.Judge(each.Frame, len(each.Frame))
					if judgement.Outcome == abi.OutcomeDelivered {
						vlan := uint16(0)
						if tagged {
							vlan = 100
						}
						handed := judgement.AppendHandover(nil, each.Frame, vlan)
						wantAccount.Offered++
						if reason := refusal(mode, each.Frame, handed); reason != "" {
							wantAccount.Lose(reason, 1)
						} else {
							want = append(want, handed)
						}
					}
				}
				f.send(sent)
				sameFrames(t, want, c.receive(t, len(want)))
				c.expectNothing(t)
				wantAccount.Delivered = uint64(len(want))
				if diff := cmp.Diff(wantAccount, f.account(slotOfVeth)); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
			})
		}
	}
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

// segments are n segments of one TCP connection in a row: what GRO merges.

// What these tests send is merged where nothing keeps it apart: on a veth without

// xdpeel's programs and limits.

// waitForMore has the kernel hold received packets back for others to merge with.

// wrapAll wraps inner frames as their mirror session would.

func wrapAll(inner [][]byte) (list [][]byte) {
	for _, frame := range inner {
		list = append(list, frames.Wrap(frame, 7, source, target))
	}
	return list
}

// offloads are features of an interface by their names in net/ethtool/common.c.

// set switches them on or off, as `ethtool -K` does, as far as the interface has them.

// A consumer may switch offloads on and off as it likes, as Suricata does at start:

// the frames stay apart, and go on coming.

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
			var sent [][]byte
			want := make([]uint64, queues)
			// As a network card does, the wire's end forgets which CPU its frames came from.
			offloads{"rx-gro": true}.set(t, f.pair.B.Namespace, f.pair.B.Name)
			for flow := range flows {
				there := frames.Peer{MAC: client.MAC, Address: client.Address, Port: uint16(1024 + flow)}
				for _, inner := range [][]byte{frames.UDPFrame(there, instance, nil), frames.UDPFrame(instance, there, nil)} {
					headers := mirror.ReadHeaders(inner)
					want[mirror.LaneOf(headers.FlowHash(policy.Seed, inner), queues)]++
					sent = append(sent, frames.Wrap(inner, 7, source, target))
				}
			}
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
			var cpus []bpf.XdpeelVethAccount
			if err := f.program.maps.VethAccounts.Lookup(uint32(slotOfVeth), &cpus); err != nil {
				t.Fatal(err)
			}
			if mode == ModeGeneric && !movesGeneric() {
				return // each frame stays where it came
			}
			for cpu, n := range want {
				if cpus[cpu].Arrived != n {
					t.Errorf("%d frames arrived on CPU %d, want %d", cpus[cpu].Arrived, cpu, n)
				}
				if even := uint64(len(sent) / queues); n < even*9/10 || n > even*11/10 {
					t.Errorf("CPU %d has %d frames of %d: not within 10 %% of even", cpu, n, len(sent))
				}
			}
		})
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

// Sealed: the host sends nothing into the veth and takes nothing out of it. A forged

// inner packet to the consumer's own MAC and address is evidence and no traffic.

// addNeighbour spares the kernel to ask for somebody's MAC, which is made up.

// snmp returns how many IP packets a namespace's host has taken in.

// What is lost on the way shows, to the packet, whatever the reason: the consumer's

// end down, our end down, a frame too long, the whole veth gone.

func (f *fed) received() uint64 {
	f.t.Helper()
	return (&listener{t: f.t, program: f.program}).received()
}

func (f *fed) awaitReceived(n uint64) {
	f.t.Helper()
	(&listener{t: f.t, program: f.program}).awaitReceived(n)
}

// change returns a function that changes an interface in a namespace.

// A burst that the veth's queue cannot take is counted to the packet.

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
