package lab_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// etherTypeTest is for local experiments (IEEE 802, 9.2.3): nothing looks into it.
const etherTypeTest = 0x88b5

// testFrame returns a frame of length bytes.
func testFrame(length int) []byte {
	to, from := frames.MAC{2, 0, 0, 0, 0, 2}, frames.MAC{2, 0, 0, 0, 0, 1}
	payload := make([]byte, length-14)
	for i := range payload {
		payload[i] = byte(i ^ i>>8)
	}
	return frames.Ethernet(to, from, etherTypeTest, payload)
}

func TestFramesArriveByteForByte(t *testing.T) {
	t.Parallel()
	pair := newTestPair(t, lab.VethOptions{MTU: 9000, OffloadsOff: true})
	sender, receiver := labtest.OpenSender(t, pair.A.Namespace, pair.A.Name), labtest.OpenReceiver(t, pair.B.Namespace, pair.B.Name)
	for _, test := range []struct {
		name  string
		frame []byte
	}{
		{"header only", testFrame(14)},
		{"smallest on a wire", testFrame(64)},
		{"standard MTU", testFrame(1514)},
		{"jumbo MTU", testFrame(9014)},
		{"802.1Q", frames.Tagged(testFrame(60), frames.Tag{Control: 0x2064})},
		{"802.1Q with VLAN 0", frames.Tagged(testFrame(60), frames.Tag{})},
		{"802.1Q and jumbo MTU", frames.Tagged(testFrame(9014), frames.Tag{Control: 100})},
		{"802.1ad and 802.1Q", frames.Tagged(testFrame(60), frames.Tag{Protocol: frames.EtherTypeQinQ, Control: 7}, frames.Tag{Control: 8})},
	} {
		if err := sender.Send(test.frame); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got, err := receiver.Receive(time.Now().Add(labtest.Patience))
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if difference := cmp.Diff(test.frame, got); difference != "" {
			t.Errorf("%s: sent (-) and received (+) differ:\n%s", test.name, difference)
		}
	}
	expectNothing(t, receiver)
}

// expectNothing fails if a frame has arrived that was not received yet.
func expectNothing(t *testing.T, receiver *lab.Receiver) {
	t.Helper()
	frame, err := receiver.Receive(time.Now().Add(50 * time.Millisecond))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("received %x, %v, want nothing", frame, err)
	}
}

func TestReceiverIgnoresOutgoing(t *testing.T) {
	t.Parallel()
	pair := newTestPair(t, lab.VethOptions{})
	near, far := labtest.OpenReceiver(t, pair.A.Namespace, pair.A.Name), labtest.OpenReceiver(t, pair.B.Namespace, pair.B.Name)
	if err := labtest.OpenSender(t, pair.A.Namespace, pair.A.Name).Send(testFrame(100)); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Receive(time.Now().Add(labtest.Patience)); err != nil {
		t.Fatal(err)
	}
	expectNothing(t, near)
}

func TestCloseEndsReceive(t *testing.T) {
	t.Parallel()
	end := newTestPair(t, lab.VethOptions{}).B
	receiver := labtest.OpenReceiver(t, end.Namespace, end.Name)
	result := make(chan error)
	go func() {
		_, err := receiver.Receive(time.Time{})
		result <- err
	}()
	receiver.Close()
	if err := <-result; err == nil {
		t.Error("no error from Receive")
	}
}

func TestSendRefuses(t *testing.T) {
	t.Parallel()
	pair := newTestPair(t, lab.VethOptions{})
	sender := labtest.OpenSender(t, pair.A.Namespace, pair.A.Name)
	if err := sender.Send(testFrame(1519)); !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("a frame longer than the MTU: %v", err)
	}
	if _, err := lab.OpenSender(pair.A.Namespace, "no0"); err == nil {
		t.Error("no error from an interface that does not exist")
	}
}

// The far end of a veth takes frames at once; or from a ring of 256 places, at its
// own pace, if NAPI is on there and has a thread.
func TestBurstArrivesWhole(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		setup func(*testing.T, lab.End)
	}{{"direct", func(*testing.T, lab.End) {}}, {"ring", giveThread}} {
		t.Run(test.name, func(t *testing.T) {
			pair := newTestPair(t, lab.VethOptions{OffloadsOff: true})
			test.setup(t, pair.B)
			sender, receiver := labtest.OpenSender(t, pair.A.Namespace, pair.A.Name), labtest.OpenReceiver(t, pair.B.Namespace, pair.B.Name)
			const burst = 20000
			frame := testFrame(60)
			for i := range uint32(burst) {
				binary.BigEndian.PutUint32(frame[14:], i)
				if err := sender.Send(frame); err != nil {
					t.Fatal(err)
				}
			}
			expectNumbered(t, receiver, burst)
			if dropped := attributes(t, pair.A).Statistics.TxDropped; dropped != 0 {
				t.Errorf("%d frames were dropped on the way and sent again", dropped)
			}
		})
	}
}

// giveThread turns GRO on, and with it NAPI, and gives that a thread of its own.
func giveThread(t *testing.T, end lab.End) {
	t.Helper()
	if err := end.Namespace.Do(func() error { return lab.SetFeatures(end.Name, true, "rx-gro") }); err != nil {
		t.Fatal(err)
	}
	// The shell sees the /sys of the namespace.
	command := exec.Command("ip", "netns", "exec", end.Namespace.Name(), "sh", "-c", "echo 1 >/sys/class/net/"+end.Name+"/threaded")
	if output, err := command.CombinedOutput(); err != nil {
		t.Skipf("needs ip, of iproute2, and threaded NAPI, of Linux 5.12: %v: %s", err, output)
	}
}

// expectNumbered receives frames that begin their payload with 0 to count-1, each
// once and in any order, and nothing else.
func expectNumbered(t *testing.T, receiver *lab.Receiver, count int) {
	t.Helper()
	seen := make([]bool, count)
	for range count {
		frame, err := receiver.Receive(time.Now().Add(labtest.Patience))
		if err != nil {
			t.Fatal(err)
		}
		number := binary.BigEndian.Uint32(frame[14:])
		if seen[number] {
			t.Fatalf("frame %d arrived twice", number)
		}
		seen[number] = true
	}
	expectNothing(t, receiver)
}

func TestReceiverCountsWhatItLost(t *testing.T) {
	t.Parallel()
	pair := newTestPair(t, lab.VethOptions{})
	sender, receiver := labtest.OpenSender(t, pair.A.Namespace, pair.A.Name), labtest.OpenReceiver(t, pair.B.Namespace, pair.B.Name)
	if err := receiver.SetBuffer(8192); err != nil {
		t.Fatal(err)
	}
	const sent = 500
	for range sent {
		if err := sender.Send(testFrame(60)); err != nil {
			t.Fatal(err)
		}
	}
	received := uint32(0)
	var err error
	for err == nil {
		if _, err = receiver.Receive(time.Now().Add(200 * time.Millisecond)); err == nil {
			received++
		}
	}
	lost, err := receiver.Lost()
	if err != nil {
		t.Fatal(err)
	}
	if received == 0 || lost == 0 || received+lost != sent {
		t.Errorf("%d sent, %d received, %d lost", sent, received, lost)
	}
}

func TestConversationOverVeth(t *testing.T) {
	t.Parallel()
	pair := newTestPair(t, lab.VethOptions{MTU: 9000})
	sender, receiver := labtest.OpenSender(t, pair.A.Namespace, pair.A.Name), labtest.OpenReceiver(t, pair.B.Namespace, pair.B.Name)
	for i, event := range lab.Conversation() {
		if err := sender.Send(event.Frame); err != nil {
			t.Fatal(err)
		}
		got, err := receiver.Receive(time.Now().Add(labtest.Patience))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, event.Frame) {
			t.Errorf("event %d: sent %x, received %x", i, event.Frame, got)
		}
	}
}
