//go:build guest

package drivers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// testProtocol is IEEE 802's EtherType for local experiments, 0x88b5, in network
// byte order: nobody else sends it.
const testProtocol uint16 = 0xb588

const (
	headerSize    = 14
	smallestFrame = 60
)

// wire is two network devices: what one sends, the other receives.
type wire struct {
	driver   string
	from, to netlink.Link
	sender   int // packet sockets
	receiver int
}

func (w wire) String() string { return fmt.Sprintf("%s/%s", w.driver, w.to.Attrs().Name) }

// newWire sets both devices up.
func newWire(t *testing.T, driver string, from, to netlink.Link) wire {
	t.Helper()
	for _, link := range []netlink.Link{from, to} {
		if err := netlink.LinkSetUp(link); err != nil {
			t.Fatal(err)
		}
	}
	return wire{driver, from, to, packetSocket(t, from), packetSocket(t, to)}
}

// cards returns the guest's network cards, which come in wired pairs.
func cards(t *testing.T) []wire {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var wires []wire
	var first netlink.Link
	for _, link := range links {
		driver, err := os.Readlink("/sys/class/net/" + link.Attrs().Name + "/device/driver")
		switch {
		case err != nil: // no card
		case first == nil:
			first = link
		default:
			wires = append(wires, newWire(t, filepath.Base(driver), first, link))
			first = nil
		}
	}
	return wires
}

func vethPair(t *testing.T) wire {
	t.Helper()
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "from"}, PeerName: "to"}); err != nil {
		t.Fatal(err)
	}
	from, err := netlink.LinkByName("from")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netlink.LinkDel(from) })
	to, err := netlink.LinkByName("to")
	if err != nil {
		t.Fatal(err)
	}
	return newWire(t, "veth", from, to)
}

// packetSocket returns a socket that reads the tests' frames for half a second.
func packetSocket(t *testing.T, link netlink.Link) int {
	t.Helper()
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(testProtocol))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(socket) })
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 500_000}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: testProtocol, Ifindex: link.Attrs().Index}); err != nil {
		t.Fatal(err)
	}
	return socket
}

// setMTU sets both ends: veth looks at the other end's as well.
func (w wire) setMTU(mtu int) error {
	for _, link := range []netlink.Link{w.from, w.to} {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("set MTU %d: %w", mtu, err)
		}
	}
	return nil
}

// longestFrame returns the length of the longest frame that arrives, in bytes
// and with its Ethernet header.
func (w wire) longestFrame(t *testing.T, mtu int) int {
	t.Helper()
	return largest(smallestFrame, mtu+headerSize, func(length int) bool { return w.carries(t, length) })
}

// carries says whether a frame of that length arrives as it was sent. It tries
// more than once, since a card that was just set up may lose the first.
func (w wire) carries(t *testing.T, length int) bool {
	t.Helper()
	for try := range byte(3) {
		frame := append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, 1, byte(testProtocol&0xff), byte(testProtocol>>8), try)
		frame = append(frame, bytes.Repeat([]byte{byte(length)}, length-len(frame))...)
		if _, err := unix.Write(w.sender, frame); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 1<<16)
		for {
			n, err := unix.Read(w.receiver, got)
			if err != nil {
				break
			}
			if bytes.Equal(got[:n], frame) {
				return true
			}
		}
	}
	return false
}

func (w wire) receiveQueues(t *testing.T) int {
	t.Helper()
	queues, err := filepath.Glob("/sys/class/net/" + w.to.Attrs().Name + "/queues/rx-*")
	if err != nil {
		t.Fatal(err)
	}
	return len(queues)
}
