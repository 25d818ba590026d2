package loader

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// Traffic of the host's own, through the interface that the program comes and
// goes on, loses nothing: no ping and no TCP segment.
func TestHostTrafficSeesNothing(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWire(t, lab.VethOptions{})
			near, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
			address(t, w.pair.A, near, w.pair.B, far)
			address(t, w.pair.B, far, w.pair.A, near)
			checkUntouched(t, w, near, far, func() { comeAndGo(t, w.pair.B, mode) })
		})
	}
}

// comeAndGo attaches, exchanges the program and detaches, ten times.
func comeAndGo(t *testing.T, end lab.End, mode Mode) {
	program := newProgram(t, mirror.Options{})
	for range 10 {
		attachment := mustAttach(t, program, end, mode)
		time.Sleep(20 * time.Millisecond)
		successor, err := program.load(withFragments)
		if err != nil {
			t.Fatal(err)
		}
		if err := attachment.link.Update(successor); err != nil {
			t.Error(err)
		}
		successor.Close()
		time.Sleep(20 * time.Millisecond)
		if err := attachment.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Millisecond)
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

// checkUntouched has pings and a TCP connection go from near to far and back
// while disturb runs.
func checkUntouched(t *testing.T, w *wire, near, far netip.Addr, disturb func()) {
	t.Helper()
	echoTCP(t, w.pair.B, far)
	stop := make(chan struct{})
	results := make(chan error, 2)
	go func() { results <- w.pair.A.Namespace.Do(func() error { return pingICMP(near, far, stop) }) }()
	go func() { results <- w.pair.A.Namespace.Do(func() error { return streamTCP(far, stop) }) }()
	disturb()
	close(stop)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
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

// pingICMP sends a numbered echo request each half millisecond and wants each answered.
func pingICMP(from, to netip.Addr, stop <-chan struct{}) error {
	socket, err := net.DialIP("ip4:icmp", nil, &net.IPAddr{IP: to.AsSlice()})
	if err != nil {
		return err
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
				return err
			}
			sent++
		}
	}
	socket.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if received := <-answered; received != sent {
		return fmt.Errorf("%d of %d echo requests were answered", received, sent)
	}
	return nil
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

// streamTCP sends to and fro over one connection and wants no segment lost.
func streamTCP(to netip.Addr, stop <-chan struct{}) error {
	connection, err := net.Dial("tcp", netip.AddrPortFrom(to, echoPort).String())
	if err != nil {
		return err
	}
	defer connection.Close()
	block := make([]byte, 4096)
	for running := true; running; {
		select {
		case <-stop:
			running = false
		default:
			if _, err := connection.Write(block); err != nil {
				return err
			}
			if _, err := io.ReadFull(connection, block); err != nil {
				return err
			}
		}
	}
	return checkNothingLost(connection.(*net.TCPConn))
}

func checkNothingLost(connection *net.TCPConn) error {
	raw, err := connection.SyscallConn()
	if err != nil {
		return err
	}
	var info *unix.TCPInfo
	var infoErr error
	if err := raw.Control(func(fd uintptr) {
		info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); err != nil {
		return err
	}
	if infoErr != nil {
		return infoErr
	}
	// What the receiver had already was late, not lost: a slow machine's timeout.
	if lost := int(info.Total_retrans) - int(info.Dsack_dups); lost > 0 {
		return fmt.Errorf("%d TCP segments were lost", lost)
	}
	return nil
}
