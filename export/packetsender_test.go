package export

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// tap is a veth pair: packets are sent out of its A end and arrive at its B end.
type tap struct {
	t         *testing.T
	namespace *lab.Namespace
	*lab.Pair
}

// openSender opens a sender in the calling thread's network namespace.
func openSender(iface string) (*PacketSender, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return NewPacketSender(iface, fd, nil)
}

func newTap(t *testing.T) *tap {
	t.Helper()
	namespace := labtest.NewNamespace(t)
	p := &tap{t: t, namespace: namespace}
	p.connect()
	return p
}

func (p *tap) connect() {
	p.t.Helper()
	var err error
	if p.Pair, err = lab.NewPair(p.namespace, p.namespace, lab.VethOptions{NameA: "tap", NameB: "sensor", OffloadsOff: true}); err != nil {
		p.t.Fatal(err)
	}
}

// change does something to an end.
func (p *tap) change(name string, what func(netlink.Link) error) {
	p.t.Helper()
	err := p.namespace.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return what(link)
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// awaitOff waits until the kernel has told the A end what became of the other one.
func (p *tap) awaitOff() {
	p.t.Helper()
	labtest.Eventually(p.t, "the tap is off", func() bool {
		off := false
		p.namespace.Do(func() error {
			link, err := netlink.LinkByName("tap")
			off = err != nil || link.Attrs().RawFlags&unix.IFF_RUNNING == 0
			return nil
		})
		return off
	})
}

func (p *tap) sender() (s *PacketSender) {
	p.t.Helper()
	err := p.namespace.Do(func() (err error) {
		s, err = openSender("tap")
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			p.t.Error(err)
		}
	})
	return s
}

func (p *tap) receiver() *lab.Receiver {
	p.t.Helper()
	return labtest.OpenReceiver(p.t, p.namespace, "sensor")
}

// arrived takes what has arrived.
func arrived(t *testing.T, r *lab.Receiver) (frames [][]byte) {
	t.Helper()
	for {
		frame, err := r.Receive(time.Now().Add(100 * time.Millisecond))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
}

// framesOf is a batch of these frames.
func framesOf(frames ...[]byte) *mirror.Batch {
	b := mirror.NewBatch(len(frames), 1<<20)
	for _, frame := range frames {
		data := b.Room(len(frame))
		copy(data, frame)
		b.Add(mirror.Packet{Length: len(frame), Data: data})
	}
	return b
}

// frameNumbered is a frame of n bytes of an EtherType that is nobody's.
func frameNumbered(number uint64, n int) []byte {
	frame := bytes.Repeat([]byte{0xa5}, n)
	binary.BigEndian.PutUint16(frame[12:], 0x88b5)
	binary.BigEndian.PutUint64(frame[14:], number)
	return frame
}

func checkAccount(t *testing.T, s *PacketSender, want mirror.OutputAccount) {
	t.Helper()
	if diff := cmp.Diff(want, s.Account()); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

// Frames arrive byte for byte: of all sizes, with tags, cut in the middle of a
// header. What is longer than the interface allows is lost, and nothing beside it.
func TestPacketSender(t *testing.T) {
	t.Parallel()
	p := newTap(t)
	r, s := p.receiver(), p.sender()
	var want, sent [][]byte
	for i := range 150 {
		frame := frameNumbered(uint64(i), 60+i)
		if i%3 == 1 {
			copy(frame[12:], "\x81\x00\x00\x05\x88\xb5") // one tag
		}
		if i%3 == 2 {
			copy(frame[12:], "\x88\xa8\x00\x05\x81\x00\x00\x06\x88\xb5") // two
		}
		want = append(want, frame)
		sent = append(sent, frame)
		if i%50 == 49 {
			sent = append(sent, frameNumbered(0, 1515), frameNumbered(0, 9000))
		}
	}
	want = append(want, frameNumbered(1, 1514), frameNumbered(2, 22))
	sent = append(sent, want[150:]...)
	b := framesOf(sent...)
	if err := errors.Join(s.Write(b), s.Flush()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, arrived(t, r)); diff != "" {
		t.Errorf("frames (-sent +arrived):\n%s", diff)
	}
	checkAccount(t, s, mirror.OutputAccount{Offered: 158, Delivered: 152, Lost: map[mirror.Loss]uint64{mirror.LossTooLong: 6}})
}

// tally writes to a sender, and knows what its account must be.
type tally struct {
	*PacketSender
	mirror.OutputAccount
}

// write writes three frames, and another if that fails: the sender says so once.
func (y *tally) write(t *testing.T, what string, works bool) {
	t.Helper()
	err := y.PacketSender.Write(framesOf(frameNumbered(1, 60), frameNumbered(2, 60), frameNumbered(3, 60)))
	if (err == nil) != works {
		t.Errorf("%s: %v", what, err)
	}
	if err != nil && y.PacketSender.Write(framesOf(frameNumbered(4, 60))) == nil {
		y.Lose(mirror.LossInterfaceDown, 1)
		y.Offered++
	}
	if y.Offered += 3; works {
		y.Delivered += 3
	} else {
		y.Lose(mirror.LossInterfaceDown, 3)
	}
	checkAccount(t, y.PacketSender, y.OutputAccount)
}

// An interface that is down or without carrier costs what comes meanwhile.
func TestPacketSenderInterfaceGoesDown(t *testing.T) {
	t.Parallel()
	p := newTap(t)
	s := &tally{PacketSender: p.sender()}
	for _, step := range []struct {
		what       string
		end        string
		down, back func(netlink.Link) error
	}{
		{"down", "tap", netlink.LinkSetDown, netlink.LinkSetUp},
		{"no carrier", "sensor", netlink.LinkSetDown, netlink.LinkSetUp},
	} {
		s.write(t, "before "+step.what, true)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		p.change(step.end, step.down)
		p.awaitOff()
		if s.Flush() == nil {
			t.Errorf("%s: flush finds nothing", step.what)
		}
		s.write(t, step.what, false)
		if s.Resume() == nil {
			t.Errorf("%s: it resumes", step.what)
		}
		p.change(step.end, step.back)
		labtest.Eventually(t, "it resumes", func() bool { return s.Resume() == nil })
		s.write(t, "again "+step.what, true)
	}
}

// An interface that is gone costs what comes meanwhile; one that is there again when
// something is sent, nothing.
func TestPacketSenderInterfaceGoes(t *testing.T) {
	t.Parallel()
	p := newTap(t)
	s := &tally{PacketSender: p.sender()}
	s.write(t, "there", true)
	p.change("tap", netlink.LinkDel)
	s.write(t, "gone", false)
	p.connect()
	labtest.Eventually(t, "it resumes", func() bool { return s.Resume() == nil })
	r := p.receiver()
	s.write(t, "back", true)
	if got := len(arrived(t, r)); got != 3 {
		t.Errorf("%d frames of 3 arrive at an interface that came back", got)
	}

	p.change("tap", netlink.LinkDel)
	p.connect()
	if err := s.Flush(); err == nil || !strings.Contains(err.Error(), "another one now") {
		t.Errorf("flush of a replaced interface: %v", err)
	}
	s.write(t, "replaced", true)
}

// A sender on an interface that is not there, or down, says so once and takes packets
// when it is up.
func TestPacketSenderComesFirst(t *testing.T) {
	t.Parallel()
	p := newTap(t)
	for _, test := range []struct {
		end      string
		away     func(netlink.Link) error
		want     string
		comeBack func()
	}{
		{"tap", netlink.LinkDel, `find interface "tap": no such device`, p.connect},
		{"sensor", netlink.LinkSetDown, `send to interface "tap": it is down, or has no carrier`, func() { p.change("sensor", netlink.LinkSetUp) }},
	} {
		p.change(test.end, test.away)
		p.awaitOff()
		s := p.sender()
		if err := s.Flush(); err == nil || err.Error() != test.want {
			t.Errorf("flush: %v, want %q", err, test.want)
		}
		if err := errors.Join(s.Flush(), s.Write(framesOf(frameNumbered(1, 60)))); err != nil || s.Resume() == nil {
			t.Errorf("%q: %v, and it resumes", test.want, err)
		}
		test.comeBack()
		labtest.Eventually(t, "it resumes", func() bool { return s.Resume() == nil })
		if err := errors.Join(s.Write(framesOf(frameNumbered(2, 60))), s.Flush()); err != nil {
			t.Errorf("after %q: %v", test.want, err)
		}
		checkAccount(t, s, mirror.OutputAccount{Offered: 2, Delivered: 1, Lost: map[mirror.Loss]uint64{mirror.LossInterfaceDown: 1}})
	}
	if _, err := openSender("a name that none has"); err == nil || err.Error() != `find interface "a name that none has": invalid argument` {
		t.Errorf("a name that none can have: %v", err)
	}
}

// openTAP makes an interface whose frames the returned file reads, and which holds
// so many until they are read.
func openTAP(t *testing.T, namespace *lab.Namespace, name string, queue int) (fd int) {
	t.Helper()
	err := namespace.Do(func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return err
		}
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return err
		}
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetTxQLen(link, queue), netlink.LinkSetARPOff(link), netlink.LinkSetUp(link))
	})
	if err != nil {
		t.Skipf("needs a TAP interface: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// A queue that stays full costs what it does not take, frame by frame.
func TestPacketSenderFullQueue(t *testing.T) {
	t.Parallel()
	p := newTap(t)
	const queue, frames = 100, 300
	fd := openTAP(t, p.namespace, "full", queue)
	var s *PacketSender
	if err := p.namespace.Do(func() (err error) { s, err = openSender("full"); return err }); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var list [][]byte
	for i := range frames {
		list = append(list, frameNumbered(uint64(i), 100))
	}
	for range 2 {
		if err := s.Write(framesOf(list...)); err != nil {
			t.Fatal(err)
		}
		var got [][]byte
		buffer := make([]byte, 2000)
		for {
			n, err := unix.Read(fd, buffer)
			if err == unix.EAGAIN {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, slices.Clone(buffer[:n]))
		}
		if diff := cmp.Diff(list[:queue], got); diff != "" {
			t.Errorf("frames in the queue (-want +got):\n%s", diff)
		}
	}
	checkAccount(t, s, mirror.OutputAccount{Offered: 2 * frames, Delivered: 2 * queue, Lost: map[mirror.Loss]uint64{mirror.LossTxFull: 2 * (frames - queue)}})
}

func TestPacketSenderDoesNotAllocate(t *testing.T) {
	p := newTap(t)
	s := p.sender()
	b := framesOf(frameNumbered(1, 60), frameNumbered(2, 600), frameNumbered(3, 1000))
	if allocations := testing.AllocsPerRun(100, func() { s.Write(b) }); allocations != 0 {
		t.Errorf("%v allocations, want 0", allocations)
	}
}
