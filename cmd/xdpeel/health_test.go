package main

import (
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// at returns the daemon's other address, that of a key of its configuration.
func (d *runningDaemon) at(t *testing.T, key string) string {
	t.Helper()
	found := regexp.MustCompile(key + `=(https?://\S+)`).FindStringSubmatch(d.stderr.String())
	if found == nil {
		t.Fatalf("no address of %s in %s", key, d.stderr)
	}
	return found[1]
}

// The check is refused from the signal on, while packets are still taken: a load
// balancer has the time to send them elsewhere.
func TestRunDrain(t *testing.T) {
	w := newWire(t)
	d := w.run(t, "health: 127.0.0.1:0\ndrain: 1m\n"+everything)
	pages := d.url
	d.url = d.at(t, "health")
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
	if said := w.detachFar(t); said != 0 {
		t.Fatalf("xdpeel detach: status %d", said)
	}
	d.await("was taken off")
	if status, text := d.get(t, "/healthz"); status != http.StatusServiceUnavailable || text != "interface \"far\": not attached\n" {
		t.Errorf("healthz: %d %q", status, text)
	}
	d.url = d.at(t, "health")
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, text := d.get(t, path); status != http.StatusServiceUnavailable || text != "" {
			t.Errorf("%s: %d %q", path, status, text)
		}
	}
	d.finish(t)
}

// detachFar runs `xdpeel detach` at the far end.
func (w *wire) detachFar(t *testing.T) (status int) {
	t.Helper()
	err := w.far.Namespace.Do(func() error {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer null.Close()
		status = execute(t.Context(), &environment{stdout: null, stderr: null}, []string{"detach", "-i", "far"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return status
}
