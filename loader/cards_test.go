//go:build guest

package loader

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// Tests in this file run in the guests of scripts/vm, on the network cards that
// QEMU has: virtio_net with several queues, and vmxnet3, whose hard MTU limit
// stands in for ENA's.

// newCards moves the guest's two cards of a driver into two namespaces: a wire
// like that of a veth pair.
func newCards(t *testing.T, driver string, mtu int) *wire {
	t.Helper()
	if !labtest.IsGuest() {
		t.Skip("needs a guest of scripts/vm/matrix.sh --nics")
	}
	needRoot(t)
	cards := awaitCards(t, driver)
	return &wire{t, &lab.Pair{A: moveCard(t, cards[0], mtu), B: moveCard(t, cards[1], mtu)}}
}

// awaitCards returns the two cards of a driver. A card comes back a while after
// the namespace of the last test is gone.
func awaitCards(t *testing.T, driver string) []netlink.Link {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		links, err := netlink.LinkList()
		if errors.Is(err, netlink.ErrDumpInterrupted) {
			continue // a card came back just now
		}
		if err != nil {
			t.Fatal(err)
		}
		links = slices.DeleteFunc(links, func(l netlink.Link) bool { return cardDriver(l) != driver })
		if len(links) >= 2 {
			return links
		}
		if !slices.Contains(strings.Split(os.Getenv("XDPEEL_VM_NICS"), ","), nicsOf[driver]) {
			t.Skipf("needs two %s cards: scripts/vm/matrix.sh --nics %s", driver, nicsOf[driver])
		}
		if time.Now().After(deadline) {
			t.Fatalf("the two %s cards do not come back", driver)
		}
	}
}

// nicsOf is what scripts/vm calls the cards of a driver.
var nicsOf = map[string]string{"virtio_net": "virtio", "vmxnet3": "vmxnet3"}

func cardDriver(l netlink.Link) string {
	path, err := os.Readlink("/sys/class/net/" + l.Attrs().Name + "/device/driver")
	if err != nil {
		return ""
	}
	return filepath.Base(path)
}

// moveCard gives a card a namespace of its own, and an MTU, until the test ends.
func moveCard(t *testing.T, card netlink.Link, mtu int) lab.End {
	t.Helper()
	namespace := labtest.NewNamespace(t)
	handle, err := netns.GetFromName(namespace.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	if err := netlink.LinkSetNsFd(card, int(handle)); err != nil {
		t.Fatalf("move card %q: %v", card.Attrs().Name, err)
	}
	end := lab.End{Namespace: namespace, Name: card.Attrs().Name, MAC: card.Attrs().HardwareAddr}
	err = namespace.Do(func() error {
		moved, err := netlink.LinkByName(end.Name)
		if err != nil {
			return err
		}
		end.Index = moved.Attrs().Index
		return errors.Join(
			netlink.LinkSetMTU(moved, mtu), netlink.LinkSetARPOff(moved),
			netlink.SetPromiscOn(moved), // the frames of these tests are to nobody's MAC
			netlink.LinkSetUp(moved),
		)
	})
	if err != nil {
		t.Fatalf("set up card %q: %v", end.Name, err)
	}
	return end
}

// checkFrames sends frames of these inner lengths and checks that each comes
// out as it went in, and that nothing else does.
func (w *wire) checkFrames(mode Mode, lengths ...int) {
	w.t.Helper()
	l := listen(w.t, w.pair.B, mode, mirror.Options{})
	var sent [][]byte
	var want []mirror.Packet
	for i, length := range lengths {
		inner := frames.UDPFrame(client, instance, frames.Payload(length-42))
		session := mirror.Session{VNI: uint32(i), Source: source}
		sent = append(sent, frames.Wrap(inner, session.VNI, source, target))
		want = append(want, mirror.Packet{Session: session, Direction: abi.DirectionIngress, Length: len(inner), Data: inner, Outputs: mirror.FirstOutput})
	}
	probes := w.awaitWire(l)
	w.send(sent)
	l.awaitReceived(probes + uint64(len(sent)))
	_, lost := l.end()
	for i := range l.packets {
		l.packets[i].Time = 0
	}
	slices.SortFunc(l.packets, func(a, b mirror.Packet) int { return int(a.Session.VNI) - int(b.Session.VNI) })
	if diff := cmp.Diff(want, l.packets, cmpSessions); diff != "" || len(lost) > 0 {
		w.t.Errorf("packets (-want +got), lost %v:\n%s", lost, diff)
	}
}

// awaitWire waits until frames go through: a card that has been set up or reset
// loses some first. It returns how many frames the listener, if there is one, had
// received by then.
func (w *wire) awaitWire(l *listener) uint64 {
	w.t.Helper()
	receiver := labtest.OpenReceiver(w.t, w.pair.B.Namespace, w.pair.B.Name)
	const experimental = 0x88b5 // IEEE 802's EtherType for local experiments
	probe := frames.Ethernet(instance.MAC, client.MAC, experimental, make([]byte, 46))
	deadline := time.Now().Add(time.Minute)
	for through := 0; through < 5; {
		if time.Now().After(deadline) {
			w.t.Fatal("no frame comes through")
		}
		w.send([][]byte{probe})
		if _, err := receiver.Receive(time.Now().Add(100 * time.Millisecond)); err == nil {
			through++
		}
	}
	if l == nil {
		return 0
	}
	time.Sleep(200 * time.Millisecond) // for probes that were only late
	ledger, _, err := l.program.Ledger()
	if err != nil {
		w.t.Fatal(err)
	}
	return ledger.Received
}

func TestCardsAtEthernetMTU(t *testing.T) {
	for driver := range nicsOf {
		for _, mode := range []Mode{ModeNative, ModeGeneric} {
			t.Run(driver+"/"+string(mode), func(t *testing.T) {
				if driver == "vmxnet3" && mode == ModeNative {
					needNativeVmxnet3(t)
				}
				newCards(t, driver, 1600).checkFrames(mode, 60, 128, 512, 1400, 1514)
			})
		}
	}
}

// virtio_net takes jumbo frames natively since Linux 6.3. Before, it would attach
// and drop them: xdpeel refuses, says so, and takes them in generic mode.
func TestVirtioJumbo(t *testing.T) {
	w := newCards(t, "virtio_net", 9001)
	lengths := []int{60, 1514, 3000, 3400, 3500, 4000, 8000, 8900}
	if knowsFragments() {
		w.checkFrames(ModeNative, lengths...)
		return
	}
	_, err := attach(t, newProgram(t, mirror.Options{}), w.pair.B, ModeNative)
	refused := (*RefusedError)(nil)
	if !errors.As(err, &refused) || !strings.Contains(refused.Error(), "silently drops frames over 3508 bytes") {
		t.Errorf("attach: %v, want a refusal that tells of silent drops", err)
	} else if got, want := refused.Refusals[0].Remedy, "ip link set dev "+w.pair.B.Name+" mtu 3494"; got != want {
		t.Errorf("remedy %q, want %q", got, want)
	}
	w.checkFrames(ModeAuto, lengths...)
}

// needNativeVmxnet3 skips on kernels whose vmxnet3 has no native XDP at all.
func needNativeVmxnet3(t *testing.T) {
	t.Helper()
	if major, minor := release(t); major < 6 || major == 6 && minor < 6 {
		t.Skip("needs Linux 6.6: native XDP of vmxnet3")
	}
}

// vmxnet3 takes no jumbo frame natively, and says up to which MTU it would attach.
func TestVmxnet3RefusesJumbo(t *testing.T) {
	needNativeVmxnet3(t)
	w := newCards(t, "vmxnet3", 9000)
	attachment := mustAttach(t, newProgram(t, mirror.Options{}), w.pair.B, ModeAuto)
	if attachment.Mode != ModeGeneric || len(attachment.Refusals) != 2 {
		t.Fatalf("mode %s after %v, want generic after two refusals", attachment.Mode, attachment.Refusals)
	}
	refusal := attachment.Refusals[0]
	if want := "ip link set dev " + w.pair.B.Name + " mtu 3494"; refusal.Remedy != want || !strings.Contains(refusal.Reason, "too large for XDP") {
		t.Errorf("refusal %q, remedy %q; want the driver's words and %q", refusal, refusal.Remedy, want)
	}
	if err := attachment.Close(); err != nil {
		t.Error(err)
	}
	w.checkFrames(ModeAuto, 60, 1514, 2900) // QEMU's card loses longer ones once LRO is off
}

// The command that a refusal names mends it.
func TestVmxnet3AtTheMTUOfTheRemedy(t *testing.T) {
	needNativeVmxnet3(t)
	w := newCards(t, "vmxnet3", SingleBufferMTU)
	if attachment := mustAttach(t, newProgram(t, mirror.Options{}), w.pair.B, ModeAuto); attachment.Mode != ModeNative {
		t.Errorf("mode %s after %v, want native", attachment.Mode, attachment.Refusals)
	}
}

// resetLoss is how many TCP segments virtio_net may lose when XDP comes and goes: the
// driver stops its queues and changes their number.
const resetLoss = 3

// The host's own traffic through a card goes on while xdpeel comes and goes, and
// loses nothing but what the driver itself loses.
func TestHostTrafficOnVirtio(t *testing.T) {
	w := newCards(t, "virtio_net", 1500)
	w.awaitWire(nil)
	lost := w.disturb(ModeAuto)
	t.Logf("lost %+v", lost)
	if lost.pings > 0 || lost.segments > resetLoss {
		t.Errorf("lost %+v, want no ping and at most %d segments", lost, resetLoss)
	}
}

// An exchange of the program resets nothing, and so costs not a packet.
func TestExchangeOnVirtio(t *testing.T) {
	w := newCards(t, "virtio_net", 1500)
	near, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	address(t, w.pair.A, near, w.pair.B, far)
	address(t, w.pair.B, far, w.pair.A, near)
	program := newProgram(t, mirror.Options{})
	attachment := mustAttach(t, program, w.pair.B, ModeNative)
	w.awaitWire(nil)
	lost := w.traffic(near, far, func() { w.exchange(program, attachment) })
	if lost != (losses{}) {
		t.Errorf("lost %+v", lost)
	}
}
