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

	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
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
	for !strings.Contains(d.stderr.String(), "output takes no packets") {
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
	all := readFrames(t, d.path("large.pcapng"))
	got := checkSmallDisk(t, small, ledger, len(all))
	if large := ledger.Outputs["large"]; large.Delivered != ledger.Outcomes["delivered"] || large.Delivered != uint64(len(all)) {
		t.Errorf("account of the other %+v, %d packets in the file", large, len(all))
	}
	if diff := cmp.Diff(inner, got[len(got)-len(inner):]); diff != "" {
		t.Errorf("last packets (-want +got):\n%s", diff)
	}
}

// checkSmallDisk compares the account of the output `small` with its two files, and with
// how many packets there were. It returns those in the files.
func checkSmallDisk(t *testing.T, dir string, ledger ledgerJSON, packets int) (got [][]byte) {
	t.Helper()
	listed, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(listed) != 2 {
		t.Errorf("files %v, want two", listed)
	}
	slices.Reverse(listed) // small.pcapng, small-1.pcapng
	for _, path := range listed {
		got = append(got, readFrames(t, path)...)
	}
	want := mirror.OutputAccount{Offered: uint64(packets), Delivered: uint64(len(got))}
	want.Lose(mirror.LossDiskFull, uint64(packets-len(got)))
	if diff := cmp.Diff(want, ledger.Outputs["small"]); diff != "" || len(got) == packets {
		t.Errorf("account, of %d packets (-want +got):\n%s", packets, diff)
	}
	return got
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
	w.detach(t)
	d.await("program was taken off the interface")
	time.Sleep(3 * checkInterval)
	if status, _ := d.get(t, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d, want 503", status)
	}
	d.finish(t)
}
