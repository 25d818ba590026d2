package labtest

import (
	"testing"

	"github.com/xdpeel/xdpeel/lab"
)

// NewNamespace returns a network namespace that goes with the test, and skips one
// that is not root's.
func NewNamespace(t testing.TB) *lab.Namespace {
	t.Helper()
	NeedRoot(t, "makes network namespaces")
	namespace, err := lab.NewNamespace("xdpeel-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := namespace.Close(); err != nil {
			t.Error(err)
		}
	})
	return namespace
}

// OpenSender opens a sender on an interface, which is closed with the test.
func OpenSender(t testing.TB, ns *lab.Namespace, ifname string) *lab.Sender {
	t.Helper()
	sender, err := lab.OpenSender(ns, ifname)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sender.Close() })
	return sender
}

// OpenReceiver opens a receiver on an interface, which is closed with the test.
func OpenReceiver(t testing.TB, ns *lab.Namespace, ifname string) *lab.Receiver {
	t.Helper()
	receiver, err := lab.OpenReceiver(ns, ifname)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { receiver.Close() })
	return receiver
}
