package main

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// newTap is a pair in the daemon's namespace: it sends out of tap, and what
// arrives at the other end is received.
func newTap(t *testing.T, w *wire) *lab.Receiver {
	t.Helper()
	namespace := w.far.Namespace
	if _, err := lab.NewPair(namespace, namespace, lab.VethOptions{NameA: "tap", NameB: "sensor", MTU: 1500, OffloadsOff: true}); err != nil {
		t.Fatal(err)
	}
	receiver := labtest.OpenReceiver(t, namespace, "sensor")
	return receiver
}

func received(t *testing.T, r *lab.Receiver, n int) (frames [][]byte) {
	t.Helper()
	for deadline := time.Now().Add(labtest.Patience); len(frames) < n; {
		frame, err := r.Receive(deadline)
		if err != nil {
			t.Fatalf("%d of %d frames arrive: %v", len(frames), n, err)
		}
		frames = append(frames, frame)
	}
	if frame, err := r.Receive(time.Now().Add(50 * time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a frame more than %d arrives: %x, %v", n, frame, err)
	}
	return frames
}

// Inner frames leave by an interface as they are; a second output has one in two
// of them, cut. An interface that is replaced is found again.
func TestRunAFPacket(t *testing.T) {
	w := newWire(t)
	sensor := newTap(t, w)
	d := w.run(t, `
sessions: [{vni: any, outputs: [whole]}]
outputs: {whole: {type: afpacket, interface: tap}}
`)
	outer, inner := conversation()
	w.send(t, outer...)
	if diff := cmp.Diff(inner, received(t, sensor, len(inner))); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	d.reload(t, `
sessions: [{vni: any, outputs: [part]}]
outputs: {part: {type: afpacket, interface: tap, sample: {one_in: 2}, snaplen: 60}}
`, "configuration reloaded")
	w.send(t, outer...)
	var part [][]byte
	for i := 0; i < len(inner); i += 2 {
		part = append(part, inner[i][:min(60, len(inner[i]))])
	}
	if diff := cmp.Diff(part, received(t, sensor, len(part))); diff != "" {
		t.Errorf("one frame in two (-want +got):\n%s", diff)
	}

	removeLink(t, w.far.Namespace, "tap")
	d.await("output takes no packets")
	if status, text := d.get(t, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "no such device") {
		t.Errorf("/readyz: %d %q, want 503 and the cause, with no packet sent", status, text)
	}
	w.send(t, outer...)
	labtest.Eventually(t, "they are lost", func() bool { return d.statusLedger(t).Outputs["part"].Lost[mirror.LossInterfaceDown] > 0 })
	again := newTap(t, w)
	d.await("output takes packets again")
	w.send(t, outer...)
	received(t, again, len(part))
	ledger := d.finish(t)
	n, kept := uint64(len(inner)), uint64(len(part))
	want := map[string]mirror.OutputAccount{
		"whole": {Offered: n, Delivered: n, Lost: map[mirror.Loss]uint64{}},
		"part": {Offered: 3 * n, Delivered: 2 * kept, Lost: map[mirror.Loss]uint64{
			mirror.LossSampledOut: 3*n - 3*kept, mirror.LossInterfaceDown: kept}},
	}
	if diff := cmp.Diff(want, ledger.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}
