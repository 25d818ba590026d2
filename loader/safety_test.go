package loader

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// comings is how often the program comes and goes in a test. An emulated CPU is so
// slow that a veth's ring holds packets when native XDP ends, which the driver
// throws away: there it comes once.
func comings() int {
	if labtest.IsGuest() {
		return 1
	}
	return 10
}

// Traffic of the host's own, through the interface that the program comes and
// goes on, loses nothing: no ping and no TCP segment.
func TestHostTrafficSeesNothing(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWire(t, lab.VethOptions{})
			if lost := w.disturb(mode); lost != (losses{}) {
				t.Errorf("lost %+v", lost)
			}
		})
	}
}

// losses counts what the host's traffic lost.
type losses struct{ pings, segments int }

// disturb attaches, exchanges the program ten times and detaches while pings and a
// TCP connection go over the wire, and returns what of them was lost.
func (w *wire) disturb(mode Mode) losses {
	near, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	address(w.t, w.pair.A, near, w.pair.B, far)
	address(w.t, w.pair.B, far, w.pair.A, near)
	program := newProgram(w.t, mirror.Options{})
	return w.traffic(near, far, func() {
		for range comings() {
			attachment := mustAttach(w.t, program, w.pair.B, mode)
			time.Sleep(20 * time.Millisecond)
			w.exchange(program, attachment)
			if err := attachment.Close(); err != nil {
				w.t.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
}

// exchange puts another program of the same kind in the place of the attached one,
// and that one back, ten times.
func (w *wire) exchange(program *Program, attachment *Attachment) {
	w.t.Helper()
	successor, err := program.load(withFragments)
	if err != nil {
		w.t.Fatal(err)
	}
	defer successor.Close()
	for range 5 {
		for _, next := range []*ebpf.Program{successor, attachment.program} {
			if err := attachment.link.Update(next); err != nil {
				w.t.Error(err)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// address gives an end an address and the MAC of its peer, so that nobody need ask.
func address(t *testing.T, end lab.End, own netip.Addr, peer lab.End, other netip.Addr) {
	t.Helper()
	err := end.Namespace.Do(func() error {
		iface, err := netlink.LinkByName(end.Name)
		if err != nil {
			return err
		}
		prefix := &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(24, 32)}
		return errors.Join(
			netlink.AddrAdd(iface, &netlink.Addr{IPNet: prefix}),
			netlink.LinkSetARPOn(iface),
			netlink.NeighAdd(&netlink.Neigh{
				LinkIndex: end.Index, State: netlink.NUD_PERMANENT, IP: other.AsSlice(), HardwareAddr: peer.MAC,
			}),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// traffic has pings and a TCP connection go from near to far and back while event
// happens, and returns what was lost.
func (w *wire) traffic(near, far netip.Addr, event func()) (lost losses) {
	w.t.Helper()
	echoTCP(w.t, w.pair.B, far)
	stop := make(chan struct{})
	results := make(chan error, 2)
	start := func(send func() error) {
		go func() { results <- w.pair.A.Namespace.Do(send) }()
	}
	start(func() (err error) { lost.pings, err = pingICMP(near, far, stop); return err })
	start(func() (err error) { lost.segments, err = streamTCP(far, stop); return err })
	time.Sleep(100 * time.Millisecond)
	event()
	time.Sleep(100 * time.Millisecond)
	close(stop)
	for range 2 {
		if err := <-results; err != nil {
			w.t.Error(err)
		}
	}
	return lost
}

const echoPort = 7

func echoTCP(t *testing.T, end lab.End, at netip.Addr) {
	t.Helper()
	var listener net.Listener
	err := end.Namespace.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(at, echoPort).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				io.Copy(connection, connection)
			}()
		}
	}()
}

// pingICMP sends a numbered echo request each half millisecond and returns how many
// were not answered.
func pingICMP(from, to netip.Addr, stop <-chan struct{}) (lost int, err error) {
	socket, err := net.DialIP("ip4:icmp", nil, &net.IPAddr{IP: to.AsSlice()})
	if err != nil {
		return 0, err
	}
	defer socket.Close()
	answered := make(chan int)
	go func() { answered <- countAnswers(socket) }()
	sent := 0
	ticker := time.NewTicker(500 * time.Microsecond)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-stop:
			running = false
		case <-ticker.C:
			request, _ := frames.Echo(from, to, 1, uint16(sent), nil)
			if _, err := socket.Write(request); err != nil {
				return 0, err
			}
			sent++
		}
	}
	socket.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	return sent - <-answered, nil
}

// countAnswers counts ICMP messages until the socket's deadline.
func countAnswers(socket *net.IPConn) (n int) {
	var buffer [64]byte
	for {
		if _, err := socket.Read(buffer[:]); err != nil {
			return n
		}
		n++
	}
}

// streamTCP sends to and fro over one connection and returns how many segments were lost.
func streamTCP(to netip.Addr, stop <-chan struct{}) (lost int, err error) {
	connection, err := net.Dial("tcp", netip.AddrPortFrom(to, echoPort).String())
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	block := make([]byte, 512) // a keystroke's worth, as ssh sends
	for running := true; running; {
		select {
		case <-stop:
			running = false
		default:
			if _, err := connection.Write(block); err != nil {
				return 0, err
			}
			if _, err := io.ReadFull(connection, block); err != nil {
				return 0, err
			}
		}
	}
	return segmentsLost(connection.(*net.TCPConn))
}

func segmentsLost(connection *net.TCPConn) (int, error) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return 0, err
	}
	var info *unix.TCPInfo
	var infoErr error
	if err := raw.Control(func(fd uintptr) {
		info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); err != nil {
		return 0, err
	}
	if infoErr != nil {
		return 0, infoErr
	}
	// What the receiver had already was late, not lost: a slow machine's timeout.
	return max(0, int(info.Total_retrans)-int(info.Dsack_dups)), nil
}
