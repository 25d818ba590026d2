package main

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// consumer is who reads a veth: a namespace and a socket on its end.
type consumer struct {
	*lab.Namespace
	receiver *lab.Receiver
}

func newConsumer(t *testing.T) *consumer {
	t.Helper()
	namespace := labtest.NewNamespace(t)
	return &consumer{Namespace: namespace}
}

// listen opens the socket, once the daemon has made the interface.
func (c *consumer) listen(t *testing.T, peer string) {
	t.Helper()
	var err error
	if c.receiver, err = lab.OpenReceiver(c.Namespace, peer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.receiver.Close() })
}

// expect receives exactly these frames.
func (c *consumer) expect(t *testing.T, want [][]byte) {
	t.Helper()
	var got [][]byte
	for len(got) < len(want) {
		frame, err := c.receiver.Receive(time.Now().Add(5 * time.Second))
		if err != nil {
			t.Errorf("after %d frames: %v", len(got), err)
			break
		}
		got = append(got, frame)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
	if frame, err := c.receiver.Receive(time.Now().Add(50 * time.Millisecond)); err == nil {
		t.Errorf("one more frame: %x", frame)
	}
}

const vethAndFile = `
sessions: [{vni: any}]
outputs:
  ids: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, netns: %s}
  all: {type: pcapng, path: DIR/all.pcapng}
`

// A session may have a veth and a file at once: both get every packet, and the
// ledger accounts for both.
func TestRunWithVeth(t *testing.T) {
	w, c := newWire(t), newConsumer(t)
	d := w.run(t, fmt.Sprintf(vethAndFile, c.Name()))
	c.listen(t, "xdpeel0-ids")
	outer, inner := conversation()
	w.send(t, outer...)
	c.expect(t, inner)
	if ready, _ := d.get(t, "/readyz"); ready != 200 {
		t.Errorf("/readyz says %d", ready)
	}
	ledger := d.finish(t)
	if diff := cmp.Diff(inner, readFrames(t, d.path("all.pcapng"))); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	n := uint64(len(inner))
	want := map[string]mirror.OutputAccount{
		"ids": {Offered: n, Delivered: n, Lost: map[mirror.Loss]uint64{}},
		"all": {Offered: n, Delivered: n, Lost: map[mirror.Loss]uint64{}},
	}
	if diff := cmp.Diff(want, ledger.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if out, err := exec.Command("ip", "-n", c.Name(), "link", "show", "xdpeel0-ids").CombinedOutput(); err == nil {
		t.Errorf("the veth is left behind (on_exit: detach): %s", out)
	}
}

// A reload may add a veth, change it, rename its output and take it away; what it
// carried is accounted for by name.
func TestReloadVeth(t *testing.T) {
	w, c := newWire(t), newConsumer(t)
	d := w.run(t, everything)
	outer, inner := conversation()
	n := uint64(len(inner))
	const reloaded = "msg=\"configuration reloaded\""
	for _, output := range []string{
		"ids: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, netns: %s}",
		"ids: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, netns: %s, mtu: 9000}",
		"renamed: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, netns: %s, mtu: 9000}",
	} {
		d.reload(t, "sessions: [{vni: any}]\noutputs:\n  "+fmt.Sprintf(output, c.Name())+"\n", reloaded)
		if c.receiver == nil {
			c.listen(t, "xdpeel0-ids")
		}
		w.send(t, outer...)
		c.expect(t, inner)
	}
	d.reload(t, everything, reloaded)
	labtest.Eventually(t, "the veth is removed", func() bool {
		return exec.Command("ip", "-n", c.Name(), "link", "show", "xdpeel0-ids").Run() != nil
	})
	ledger := d.finish(t)
	for name, want := range map[string]uint64{"ids": 2 * n, "renamed": n} {
		if got := ledger.Outputs[name]; got.Offered != want || got.Delivered != want {
			t.Errorf("output %s: %+v, want %d", name, got, want)
		}
	}
}

// A consumer's end that is taken down shows as a failing output and in the losses;
// a namespace that goes takes the veth with it, and the daemon says so and goes on.
func TestVethConsumerGoes(t *testing.T) {
	w, c := newWire(t), newConsumer(t)
	d := w.run(t, fmt.Sprintf(vethAndFile, c.Name()))
	outer, inner := conversation()
	if out, err := exec.Command("ip", "-n", c.Name(), "link", "set", "xdpeel0-ids", "down").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	d.await(`the consumer's end \"xdpeel0-ids\" is down`)
	w.send(t, outer...)
	labtest.Eventually(t, "the loss is counted", func() bool {
		return d.statusLedger(t).Outputs["ids"].Lost["redirect_failed"] == uint64(len(inner))
	})
	if ready, text := d.get(t, "/readyz"); ready == 200 {
		t.Errorf("/readyz says %d %s", ready, text)
	}
	if out, err := exec.Command("ip", "-n", c.Name(), "link", "set", "xdpeel0-ids", "up").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	d.await("output takes packets again")
	if err := c.Close(); err != nil { // nobody has a socket there
		t.Fatal(err)
	}
	d.await(`interface \"xdpeel0\" is gone`)
	w.send(t, outer...)
	labtest.Eventually(t, "the loss is counted", func() bool {
		return d.statusLedger(t).Outputs["ids"].Lost["no_interface"] == uint64(len(inner))
	})
	ledger := d.finish(t)
	if got := ledger.Outputs["all"]; got.Delivered != uint64(2*len(inner)) {
		t.Errorf("the other output: %+v", got)
	}
}
