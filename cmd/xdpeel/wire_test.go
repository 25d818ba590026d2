package main

import (
	"testing"

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
