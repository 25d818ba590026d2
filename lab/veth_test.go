package lab_test

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// newTestPair returns a pair between two namespaces of the test's own.
func newTestPair(t *testing.T, options lab.VethOptions) *lab.Pair {
	t.Helper()
	options.NameA, options.NameB = "west0", "east0"
	pair, err := lab.NewPair(labtest.NewNamespace(t), labtest.NewNamespace(t), options)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func attributes(t *testing.T, end lab.End) *netlink.LinkAttrs {
	t.Helper()
	var link netlink.Link
	err := end.Namespace.Do(func() (err error) {
		link, err = netlink.LinkByIndex(end.Index)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs()
}

func TestPairIsAsAsked(t *testing.T) {
	mac := func(last byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, last} }
	for _, test := range []struct {
		name        string
		options     lab.VethOptions
		mtu, queues int
	}{
		{"defaults", lab.VethOptions{}, 1500, 1},
		{"jumbo", lab.VethOptions{MTU: 9216, Queues: 4, MACA: mac(1), MACB: mac(2)}, 9216, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pair := newTestPair(t, test.options)
			for _, end := range []struct {
				lab.End
				mac net.HardwareAddr
			}{{pair.A, test.options.MACA}, {pair.B, test.options.MACB}} {
				got := attributes(t, end.End)
				if got.Name != end.Name || got.MTU != test.mtu || got.NumRxQueues != test.queues || got.NumTxQueues != test.queues {
					t.Errorf("%s: name %s, MTU %d, queues %d and %d", end.Name, got.Name, got.MTU, got.NumRxQueues, got.NumTxQueues)
				}
				if !bytes.Equal(got.HardwareAddr, end.MAC) || end.mac != nil && !bytes.Equal(end.mac, end.MAC) {
					t.Errorf("%s: MAC %s, told %s, asked for %s", end.Name, got.HardwareAddr, end.MAC, end.mac)
				}
				if want := uint32(unix.IFF_UP | unix.IFF_NOARP | unix.IFF_LOWER_UP); got.RawFlags&want != want {
					t.Errorf("%s: flags %#x lack some of %#x", end.Name, got.RawFlags, want)
				}
			}
		})
	}
}

func TestPairOffloads(t *testing.T) {
	t.Parallel()
	pair := newTestPair(t, lab.VethOptions{OffloadsOff: true})
	labtest.Need(t, "ethtool")
	for _, end := range []lab.End{pair.A, pair.B} {
		var output bytes.Buffer
		command := exec.Command("ethtool", "-k", end.Name)
		command.Stdout = &output
		if err := end.Namespace.Start(command); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, feature := range []string{"generic-receive-offload", "generic-segmentation-offload", "tx-tcp-segmentation", "tx-tcp6-segmentation"} {
			if !strings.Contains(output.String(), feature+": off\n") {
				t.Errorf("%s: %s is not off:\n%s", end.Name, feature, &output)
			}
		}
	}
}

func TestPairIsQuiet(t *testing.T) {
	t.Parallel()
	pair := newTestPair(t, lab.VethOptions{})
	time.Sleep(1500 * time.Millisecond) // a router solicitation would come within one second
	for _, end := range []lab.End{pair.A, pair.B} {
		if got := attributes(t, end).Statistics; got.RxPackets != 0 || got.TxPackets != 0 {
			t.Errorf("%s: %d frames received, %d sent", end.Name, got.RxPackets, got.TxPackets)
		}
	}
}

func TestPairWithinOneNamespace(t *testing.T) {
	t.Parallel()
	n := labtest.NewNamespace(t)
	if _, err := lab.NewPair(n, n, lab.VethOptions{NameA: "left0", NameB: "right0"}); err != nil {
		t.Error(err)
	}
}

func TestPairGoesWithOneNamespace(t *testing.T) {
	t.Parallel()
	pair := newTestPair(t, lab.VethOptions{})
	if err := pair.A.Namespace.Close(); err != nil {
		t.Fatal(err)
	}
	labtest.Eventually(t, "the far end goes", func() bool { return !hasLink(t, pair.B.Namespace, pair.B.Name) })
}

func TestPairFailsWithoutLeftovers(t *testing.T) {
	t.Parallel()
	a, b := labtest.NewNamespace(t), labtest.NewNamespace(t)
	if _, err := lab.NewPair(a, b, lab.VethOptions{NameA: "first0", NameB: "taken0"}); err != nil {
		t.Fatal(err)
	}
	for _, options := range []lab.VethOptions{
		{NameA: "second0", NameB: "taken0"},
		{NameA: "second0", NameB: "a-name-of-sixteen"},
		{NameA: "second0", NameB: "other0", MTU: 1 << 20},
		{NameA: "second0", NameB: "other0", MACB: net.HardwareAddr{1, 0, 0, 0, 0, 1}}, // a group address
	} {
		if _, err := lab.NewPair(a, b, options); err == nil {
			t.Errorf("no error from %+v", options)
		}
		if hasLink(t, a, "second0") || hasLink(t, b, "other0") {
			t.Errorf("%+v left an interface behind", options)
		}
	}
}

func hasLink(t *testing.T, n *lab.Namespace, name string) bool {
	t.Helper()
	found := false
	err := n.Do(func() error {
		interfaces, err := net.Interfaces()
		if err != nil {
			return fmt.Errorf("list interfaces: %w", err)
		}
		for _, i := range interfaces {
			found = found || i.Name == name
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
