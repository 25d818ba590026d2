package loader

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// generation is a policy, and what tells a packet that it judged.
type generation struct {
	policy   *mirror.Policy
	rule     uint16
	outputs  mirror.OutputSet
	captured int
}

// reloadRules is how many rules a reload changes.
const reloadRules = 10_000

// generations returns two policies that differ in all they say of a packet from
// the instance: in one the last rule takes it, in the other the first.
func generations() [2]generation {
	last, first := strangeRules(reloadRules), strangeRules(reloadRules)
	last[reloadRules-1] = mirror.Rule{Number: reloadRules, Accept: true}
	first[0] = mirror.Rule{Number: 1, Accept: true}
	both := [2]generation{
		{rule: reloadRules, outputs: 1 << 0, captured: 60},
		{rule: 1, outputs: 1 << 1, captured: 70},
	}
	for i, rules := range [2][]mirror.Rule{last, first} {
		both[i].policy = &mirror.Policy{Sessions: []mirror.SessionPolicy{{
			AnyVNI: true, Filter: &mirror.Filter{Egress: rules},
			Snap: mirror.Snap{Bytes: both[i].captured}, Outputs: both[i].outputs,
		}}}
	}
	return both
}

// strangeRules returns rules that match none of the packets sent here.
func strangeRules(n int) []mirror.Rule {
	dice := rand.New(rand.NewPCG(1, 2))
	network := func() netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(dice.Uint32()), byte(dice.Uint32()), 0}), 24)
	}
	rules := make([]mirror.Rule, n)
	for i := range rules {
		port := uint16(dice.IntN(60_000))
		rules[i] = mirror.Rule{
			Number: i + 1, Accept: i%2 == 0, Protocol: mirror.Protocol{Number: 17, Given: true},
			Source: network(), Destination: network(), DestinationPorts: mirror.Ports{First: port, Last: port + 99, Given: true},
		}
	}
	return rules
}

// A packet is judged by the old policy or by the new one, never by a part of each,
// and none is lost or comes twice while one takes the other's place.
func TestReloadUnderLoad(t *testing.T) {
	w := newWire(t, lab.VethOptions{})
	both := generations()
	l := &listener{t: t, program: newProgram(t, mirror.Options{}), done: make(chan error, 1)}
	if err := l.program.SetPolicy(both[0].policy); err != nil {
		t.Fatal(err)
	}
	l.start(w.pair.B, ModeNative)
	stop, sent := make(chan struct{}), make(chan uint64)
	go func() { sent <- w.sendNumbered(stop, &l.taken) }()
	var longest time.Duration
	reloads := 0
	for start := time.Now(); reloads < 50 && time.Since(start) < 10*time.Second; {
		reloads++
		began := time.Now()
		if err := l.program.SetPolicy(both[reloads%2].policy); err != nil {
			t.Error(err)
		}
		longest = max(longest, time.Since(began))
		l.awaitReceived(l.received() + 1) // what comes now is judged by the new policy
	}
	close(stop)
	n := <-sent
	l.awaitReceived(n)
	ledger, lost := l.end()
	if len(lost) > 0 || ledger.Outcomes[abi.OutcomeDelivered] != n || uint64(len(l.packets)) != n {
		t.Fatalf("%d sent: %d delivered, %d read, %v lost", n, ledger.Outcomes[abi.OutcomeDelivered], len(l.packets), lost)
	}
	changes := checkGenerations(t, l.packets, both)
	if changes != reloads {
		t.Errorf("packets tell of %d changes, want %d", changes, reloads)
	}
	t.Logf("%d packets over %d reloads of %d rules, the longest of %s", n, reloads, reloadRules, longest)
}

// checkGenerations proves each packet's number and who judged it, and returns how
// often that changed.
func checkGenerations(t *testing.T, packets []mirror.Packet, both [2]generation) (changes int) {
	t.Helper()
	const payload = 14 + 20 + 8
	now := 0
	for i, p := range packets {
		if number := binary.BigEndian.Uint64(p.Data[payload:]); number != uint64(i) {
			t.Fatalf("packet %d carries number %d", i, number)
		}
		if p.Rule != both[now].rule {
			now = 1 - now
			changes++
		}
		if g := both[now]; p.Rule != g.rule || p.Outputs != g.outputs || len(p.Data) != g.captured {
			t.Fatalf("packet %d: rule %d, outputs %b, %d bytes: of neither policy", i, p.Rule, p.Outputs, len(p.Data))
		}
	}
	return changes
}

// aheadMax is how many packets a sender is ahead of the reader at most: what a ring
// holds for certain, however seldom the reader gets a CPU.
const aheadMax = 4096

// sendNumbered sends mirrored packets from the instance, each with its number, until
// stop; it returns how many. It is as fast as taken, the count of those read, lets it.
func (w *wire) sendNumbered(stop <-chan struct{}, taken *atomic.Uint64) (n uint64) {
	sender, err := lab.OpenSender(w.pair.A.Namespace, w.pair.A.Name)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	defer sender.Close()
	frame := frames.Wrap(frames.UDPFrame(instance, client, frames.Payload(64)), 7, source, target)
	number := frame[len(frame)-64:]
	// From one CPU: of two, each with frames of its own on the way, the later may be first.
	err = lab.OnFirstCPU(func() error {
		for ; ; n++ {
			for n-taken.Load() >= aheadMax && !stopped(stop) {
				time.Sleep(100 * time.Microsecond)
			}
			if stopped(stop) {
				return nil
			}
			binary.BigEndian.PutUint64(number, n)
			if err := sender.Send(frame); err != nil {
				return err
			}
		}
	})
	if err != nil {
		w.t.Error(err)
	}
	return n
}

func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// A policy that cannot be is refused, and the one before stays.
func TestBadPolicyChangesNothing(t *testing.T) {
	kernel := newKernelJudge(t, mirror.Options{}, mirror.TakeVNIs([]uint32{7}))
	bad := mirror.TakeAll()
	bad.Sessions[0].Snap.Bytes = 13
	if err := kernel.program.SetPolicy(bad); err == nil {
		t.Error("a snap length of 13 bytes was accepted")
	}
	inner := frames.UDPFrame(client, instance, nil)
	for vni, want := range map[uint32]uint32{7: xdpDrop, 8: xdpPass} {
		if got := kernel.judge(frames.Wrap(inner, vni, source, target)); got != want {
			t.Errorf("VNI %d: verdict %d, want %d", vni, got, want)
		}
	}
}
