package main

import (
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// wire is a veth pair between two namespaces; captures run at its far end.
type wire struct{ near, far lab.End }

// newWire returns one with the MTU of a VPC.
func newWire(t *testing.T) *wire {
	t.Helper()
	return newWireOf(t, 9001)
}

func newWireOf(t *testing.T, mtu int) *wire {
	t.Helper()
	near, far := labtest.NewNamespace(t), labtest.NewNamespace(t)
	pair, err := lab.NewPair(near, far, lab.VethOptions{NameA: "near", NameB: "far", MTU: mtu, OffloadsOff: true})
	if err != nil {
		t.Fatal(err)
	}
	return &wire{pair.A, pair.B}
}

// send sends frames in their order.
func (w *wire) send(t *testing.T, list ...[]byte) {
	t.Helper()
	sender, err := lab.OpenSender(w.near.Namespace, w.near.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	err = lab.OnFirstCPU(func() error {
		for _, frame := range list {
			if err := sender.Send(frame); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// remove removes the wire's interfaces, and remake makes others in their place.
func (w *wire) remove(t *testing.T) {
	t.Helper()
	removeLink(t, w.near.Namespace, w.near.Name)
}

func (w *wire) remake(t *testing.T) {
	t.Helper()
	pair, err := lab.NewPair(w.near.Namespace, w.far.Namespace, lab.VethOptions{NameA: "near", NameB: "far", MTU: 9001, OffloadsOff: true})
	if err != nil {
		t.Fatal(err)
	}
	w.near, w.far = pair.A, pair.B
}

func removeLink(t *testing.T, namespace *lab.Namespace, name string) {
	t.Helper()
	err := namespace.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// xdpeel runs one command line at the far end.
func (w *wire) xdpeel(t *testing.T, args ...string) (said spoken) {
	t.Helper()
	err := w.far.Namespace.Do(func() error {
		said = xdpeel(t, "", args...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// detach runs `xdpeel detach` at the far end, which must succeed.
func (w *wire) detach(t *testing.T, flags ...string) {
	t.Helper()
	if said := w.xdpeel(t, append([]string{"detach", "-i", "far"}, flags...)...); said.status != 0 {
		t.Errorf("xdpeel detach: %+v", said)
	}
}
