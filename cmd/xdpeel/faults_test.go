package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// A full disk costs the output on it what does not fit, and no other output
// anything; when there is room again the next file goes on, also if no packet comes.
func TestRunFullDisk(t *testing.T) {
	w := newWire(t)
	small := t.TempDir()
	labtest.Mount(t, "tmpfs", small, "tmpfs", "size=96k")
	filler := filepath.Join(small, "filler")
	if err := os.WriteFile(filler, make([]byte, 64<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	d := w.run(t, fmt.Sprintf(`
sessions: [{vni: any}]
outputs: {small: {type: pcapng, path: %s/small.pcapng}, large: {type: pcapng, path: DIR/large.pcapng}}
`, small))
	outer, inner := conversation()
	rounds := 0
	for ; !strings.Contains(d.stderr.String(), "output takes no packets"); rounds++ {
		w.send(t, outer...)
		time.Sleep(10 * time.Millisecond)
	}
	if said := d.status(t); !strings.Contains(said, `OUTPUT "small" takes no packets: write `) {
		t.Errorf("status says %q", said)
	}
	if status, text := d.get(t, "/readyz"); status != http.StatusServiceUnavailable || !strings.HasPrefix(text, `output "small": `) {
		t.Errorf("/readyz: %d %q, want 503 and the output", status, text)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	labtest.Eventually(t, "the output takes packets again", func() bool {
		return strings.Contains(d.stderr.String(), "output takes packets again")
	})
	w.send(t, outer...)
	ledger := d.finish(t)
	listed, err := filepath.Glob(filepath.Join(small, "*"))
	if err != nil || len(listed) != 2 {
		t.Errorf("files %v, want two", listed)
	}
	slices.Reverse(listed) // small.pcapng, small-1.pcapng
	var got [][]byte
	for _, path := range listed {
		got = append(got, readFrames(t, path)...)
	}
	all := readFrames(t, d.path("large.pcapng"))
	account := ledger.Outputs["small"]
	if account.Delivered != uint64(len(got)) || account.Lost["disk_full"] != uint64(len(all)-len(got)) || len(account.Lost) != 1 || account.Lost["disk_full"] == 0 {
		t.Errorf("account %+v, %d packets in the file, %d in the other", account, len(got), len(all))
	}
	if large := ledger.Outputs["large"]; large.Delivered != ledger.Outcomes["delivered"] || large.Delivered != uint64(len(all)) {
		t.Errorf("account of the other %+v, %d packets in the file", large, len(all))
	}
	if diff := cmp.Diff(inner, got[len(got)-len(inner):]); diff != "" {
		t.Errorf("last packets (-want +got):\n%s", diff)
	}
}

// A daemon that starts on a full disk says so, counts, and writes once there is room.
func TestRunStartsOnFullDisk(t *testing.T) {
	w, full := newWire(t), t.TempDir()
	labtest.Mount(t, "tmpfs", full, "tmpfs", "size=96k")
	filler := filepath.Join(full, "filler")
	if err := os.WriteFile(filler, make([]byte, 96<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	d := w.run(t, "sessions: [{vni: any}]\noutputs: {all: {type: pcapng, path: "+full+"/all.pcapng}}\n")
	outer, inner := conversation()
	n := uint64(len(inner))
	w.send(t, outer...)
	labtest.Eventually(t, "losses are counted", func() bool { return d.statusLedger(t).Outputs["all"].Lost["disk_full"] == n })
	d.await("output takes no packets")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	d.await("output takes packets again")
	w.send(t, outer...)
	account := d.finish(t).Outputs["all"]
	if account.Offered != 2*n || account.Delivered != n {
		t.Errorf("account %+v, want %d delivered of %d", account, n, 2*n)
	}
	if diff := cmp.Diff(inner, readFrames(t, filepath.Join(full, "all.pcapng"))); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
}

// remove removes the wire's interfaces, and remake makes others in their place.
func (w *wire) remove(t *testing.T) {
	t.Helper()
	err := w.near.Namespace.Do(func() error {
		iface, err := netlink.LinkByName(w.near.Name)
		if err != nil {
			return err
		}
		return netlink.LinkDel(iface)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *wire) remake(t *testing.T) {
	t.Helper()
	pair, err := lab.NewPair(w.near.Namespace, w.far.Namespace, lab.VethOptions{NameA: "near", NameB: "far", MTU: 9001, OffloadsOff: true})
	if err != nil {
		t.Fatal(err)
	}
	w.near, w.far = pair.A, pair.B
}

// An interface that goes away and comes back is attached to again.
func TestRunInterfaceReturns(t *testing.T) {
	w := newWire(t)
	d := w.run(t, everything)
	outer, inner := conversation()
	w.send(t, outer...)
	w.remove(t)
	d.await("interface is gone")
	if status, text := d.get(t, "/readyz"); status != http.StatusServiceUnavailable || text != "interface \"far\": not attached\n" {
		t.Errorf("/readyz: %d %q, want 503 and the interface", status, text)
	}
	if said := d.status(t); !strings.Contains(said, "NOT ATTACHED to far\n") {
		t.Errorf("status says %q", said)
	}
	w.remake(t)
	labtest.Eventually(t, "readiness", func() bool { status, _ := d.get(t, "/readyz"); return status == http.StatusOK })
	w.send(t, outer...)
	ledger := d.finish(t)
	want := append(append([][]byte{}, inner...), inner...)
	if diff := cmp.Diff(want, readFrames(t, d.path("all.pcapng"))); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	if ledger.Outcomes["delivered"] != uint64(len(want)) {
		t.Errorf("%d delivered, want %d", ledger.Outcomes["delivered"], len(want))
	}
}

// What `xdpeel detach` took off stays off until the daemon is started again.
func TestRunIsTakenOff(t *testing.T) {
	w := newWire(t)
	d := w.run(t, everything)
	if err := w.far.Namespace.Do(func() error {
		if said := xdpeel(t, "", "detach", "-i", w.far.Name); said.status != 0 {
			return fmt.Errorf("detach: %s", said.stderr)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	d.await("program was taken off the interface")
	time.Sleep(3 * checkInterval)
	if status, _ := d.get(t, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d, want 503", status)
	}
	d.finish(t)
}
