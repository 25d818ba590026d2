package main

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// A daemon that was killed starts again while the interface of one output and the
// consumer's namespace of another are away: it says so, counts, and feeds both once they
// are there.
func TestRunBeforeItsOutputs(t *testing.T) {
	w, c := newWire(t), newConsumer(t)
	sensor := newTap(t, w)
	d := w.runHelped(t, "all: {type: pcapng, path: DIR/all.pcapng}",
		"tap: {type: afpacket, interface: tap}", "ids: "+fmt.Sprintf(helpedVeth, 0, 0, c.Name()))
	c.listen(t, "xdpeel0-ids")
	d.feeds(t, c)
	outer, inner := conversation()
	n := uint64(len(inner))
	received(t, sensor, len(inner))
	d.process.end(syscall.SIGKILL)
	removeLink(t, w.far.Namespace, "tap")
	c.receiver.Close()
	var before map[string]mirror.OutputAccount
	err := c.Renew(func() {
		d.restart(t)
		for _, words := range []string{`find interface \"tap\": no such device`, fmt.Sprintf(`open network namespace \"%s\": there is none`, c.Name())} {
			d.await(words)
		}
		status, text := d.get(t, "/readyz")
		if status != http.StatusServiceUnavailable || !strings.Contains(text, `output "tap": `) || !strings.Contains(text, `output "ids": `) {
			t.Errorf("/readyz: %d %q, want 503 and both outputs", status, text)
		}
		before = d.statusLedger(t).Outputs
		w.send(t, outer...)
		labtest.Eventually(t, "they are lost", func() bool {
			outputs := d.statusLedger(t).Outputs
			return outputs["tap"].Lost[mirror.LossInterfaceDown] == n && outputs["ids"].Lost["no_interface"] == n
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	sensor = newTap(t, w)
	labtest.Eventually(t, "readiness", func() bool { status, _ := d.get(t, "/readyz"); return status == http.StatusOK })
	c.listen(t, "xdpeel0-ids")
	d.feeds(t, c)
	received(t, sensor, len(inner))
	for name, reason := range map[string]mirror.Loss{"all": "", "tap": mirror.LossInterfaceDown, "ids": "no_interface"} {
		want := before[name]
		want.Offered, want.Delivered = want.Offered+2*n, want.Delivered+2*n
		if reason != "" {
			want.Delivered -= n
			want.Lose(reason, n)
		}
		d.awaitAccount(t, name, want)
	}
	d.process.end(syscall.SIGTERM)
	d.detach(t)
}

// awaitAccount returns once all of an output's packets are accounted for, as they should be.
func (d *runningDaemon) awaitAccount(t *testing.T, name string, want mirror.OutputAccount) {
	t.Helper()
	labtest.Eventually(t, "all is accounted for", func() bool { return d.statusLedger(t).Outputs[name].Offered == want.Offered })
	if diff := cmp.Diff(want, d.statusLedger(t).Outputs[name]); diff != "" {
		t.Errorf("output %s (-want +got):\n%s", name, diff)
	}
}

// A daemon starts while one of its interfaces is not there, and attaches to it, without
// capabilities, once it comes.
func TestRunBeforeAnInterface(t *testing.T) {
	w := newWire(t)
	d := w.runHelpedOn(t, "late, far", "all: {type: pcapng, path: DIR/all.pcapng}")
	d.await("no packets are captured here yet")
	if status, text := d.get(t, "/readyz"); status != http.StatusServiceUnavailable || text != "interface \"late\": not attached\n" {
		t.Errorf("/readyz: %d %q, want 503 and the interface", status, text)
	}
	outer, inner := conversation()
	w.send(t, outer...)
	pair, err := lab.NewPair(w.near.Namespace, w.far.Namespace, lab.VethOptions{NameA: "early", NameB: "late", MTU: 9001, OffloadsOff: true})
	if err != nil {
		t.Fatal(err)
	}
	labtest.Eventually(t, "readiness", func() bool { status, _ := d.get(t, "/readyz"); return status == http.StatusOK })
	(&wire{near: pair.A, far: pair.B}).send(t, outer...)
	n := uint64(2 * len(inner))
	labtest.Eventually(t, "all is delivered", func() bool { return d.statusLedger(t).Outputs["all"].Delivered == n })
	d.checkPrivileges(t)
	d.process.end(syscall.SIGTERM)
	d.detach(t)
}
