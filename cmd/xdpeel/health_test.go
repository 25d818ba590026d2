package main

import (
	"net/http"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// The check is refused from the signal on, while packets are still taken: a load
// balancer has the time to send them elsewhere.
func TestRunDrain(t *testing.T) {
	w := newWire(t)
	d := w.run(t, "health: 127.0.0.1:0\ndrain: 1m\n"+everything)
	pages := d.url
	d.url = d.at("health")
	if status, text := d.get(t, "/healthz"); status != http.StatusOK || text != "" {
		t.Errorf("healthz: %d %q", status, text)
	}
	if status, _ := d.get(t, "/metrics"); status != http.StatusNotFound {
		t.Errorf("the health address answers /metrics with %d", status)
	}
	d.stop()
	d.await("msg=ending")
	if status, text := d.get(t, "/healthz"); status != http.StatusServiceUnavailable || text != "" {
		t.Errorf("healthz while it drains: %d %q", status, text)
	}
	d.url = pages
	if status, text := d.get(t, "/healthz"); status != http.StatusServiceUnavailable || text != "draining: xdpeel was told to end\n" {
		t.Errorf("healthz of the pages: %d %q", status, text)
	}
	if status, _ := d.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("readyz while it drains: %d", status)
	}
	outer, _ := conversation()
	w.send(t, outer...)
	labtest.Eventually(t, "packets are taken while it drains", func() bool {
		return d.statusLedger(t).Outputs["all"].Delivered == uint64(len(outer))
	})
	// A reload takes the rest of the time away.
	d.reload(t, "health: 127.0.0.1:0\ndrain: 1ms\n"+everything, "configuration reloaded")
	d.end(0)
}

// The address of the check says that it fails, and not why.
func TestRunHealthFails(t *testing.T) {
	w := newWire(t)
	d := w.run(t, "health: 127.0.0.1:0\n"+everything)
	w.detach(t)
	d.await("was taken off")
	if status, text := d.get(t, "/healthz"); status != http.StatusServiceUnavailable || text != "interface \"far\": not attached\n" {
		t.Errorf("healthz: %d %q", status, text)
	}
	d.url = d.at("health")
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, text := d.get(t, path); status != http.StatusServiceUnavailable || text != "" {
			t.Errorf("%s: %d %q", path, status, text)
		}
	}
	d.finish(t)
}
