package loader

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// Sealed: the host sends nothing into the veth and takes nothing out of it. A forged
// inner packet to the consumer's own MAC and address is evidence and no traffic.
func TestVethIsSealed(t *testing.T) {
	var c *consumer
	f := newFed(t, ModeNative, toVeth(0), func(f *fed) { c = openConsumer(t, f.wire, f.program, vethOptions(slotOfVeth, 1500)) })
	// Whoever gives the consumer's end an address makes it no more of a host.
	var mac frames.MAC
	err := c.namespace.Do(func() error {
		theirs, err := netlink.LinkByName(theirEnd)
		if err != nil {
			return err
		}
		mac = frames.MAC(theirs.Attrs().HardwareAddr)
		return errors.Join(addAddress(theirs, "192.0.2.1/24"), netlink.LinkSetARPOn(theirs), addNeighbour(theirs, "192.0.2.77"))
	})
	if err != nil {
		t.Fatal(err)
	}
	host := frames.Peer{MAC: mac, Address: netip.MustParseAddr("192.0.2.1"), Port: 7}
	forger := frames.Peer{MAC: frames.MAC{2, 9}, Address: netip.MustParseAddr("192.0.2.9"), Port: 7}
	sent := [][]byte{
		frames.ARPFrame(forger, host), frames.EchoFrame(forger, host, 1, nil), frames.UDPFrame(forger, host, nil), frames.TCPFrame(forger, host, nil),
	}
	back := labtest.OpenReceiver(t, f.pair.B.Namespace, ourEnd)
	before := snmp(t, c.namespace)
	f.send(wrapAll(sent))
	sameFrames(t, sent, c.receive(t, len(sent)))
	// Nor does what the consumer sends, or the host, get anywhere.
	err = f.pair.B.Namespace.Do(func() error {
		ours, err := netlink.LinkByName(ourEnd)
		if err != nil {
			return err
		}
		return errors.Join(addAddress(ours, "192.0.2.77/24"), addNeighbour(ours, "192.0.2.1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	shout(t, c.namespace, "192.0.2.77:9")
	shout(t, f.pair.B.Namespace, "192.0.2.1:9")
	c.expectNothing(t)
	if frame, err := back.Receive(time.Now().Add(50 * time.Millisecond)); err == nil {
		t.Errorf("our end received %x", frame)
	}
	if after := snmp(t, c.namespace); after != before {
		t.Errorf("the consumer's host took packets:\nbefore %s\n after %s", before, after)
	}
}

// shout sends a datagram that a host may refuse to send.
func shout(t *testing.T, n *lab.Namespace, address string) {
	t.Helper()
	err := n.Do(func() error {
		conn, err := net.Dial("udp4", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("anybody?"))
		return err
	})
	if err != nil && !errors.Is(err, unix.ENOBUFS) { // which says that it was dropped
		t.Error(err)
	}
}

func addAddress(link netlink.Link, cidr string) error {
	address, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	return netlink.AddrAdd(link, address)
}

// addNeighbour spares the kernel to ask for somebody's MAC, which is made up.
func addNeighbour(link netlink.Link, address string) error {
	return netlink.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP(address), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 0x77},
	})
}

// snmp returns how many IP packets a namespace's host has taken in.
func snmp(t *testing.T, n *lab.Namespace) (line string) {
	t.Helper()
	err := n.Do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/snmp")
		fields := strings.Fields(string(text[bytes.Index(text[3:], []byte("Ip:"))+3:]))
		line = "InReceives " + fields[3]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return line
}
