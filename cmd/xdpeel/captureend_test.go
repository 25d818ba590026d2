package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// A full disk ends the capture: the file is whole, and every packet accounted for.
func TestCaptureFullDisk(t *testing.T) {
	w := newWire(t)
	dir := t.TempDir()
	labtest.Mount(t, "tmpfs", dir, "tmpfs", "size=64k")
	outer, want := conversation()
	ledgerPath := filepath.Join(t.TempDir(), "ledger.json")
	out := filepath.Join(dir, "out.pcapng")
	capture := w.start(t, io.Discard, "-w", out, "--ledger", ledgerPath)
	for range 20 {
		w.send(t, outer...)
	}
	capture.end(1)
	capture.await("xdpeel: error: write")
	capture.await("no space left on device")
	capture.await("xdpeel: hint: ")
	frames := readFrames(t, out)
	got := readLedger(t, ledgerPath).Outputs["file"]
	if got.Delivered != uint64(len(frames)) || got.Lost["disk_full"] == 0 || got.Offered != got.Delivered+got.Lost["disk_full"] {
		t.Errorf("output %+v, want %d delivered, the rest lost to the full disk", got, len(frames))
	}
	for i, frame := range frames {
		if !bytes.Equal(frame, want[i%len(want)]) {
			t.Fatalf("frame %d is %x, want %x", i, frame, want[i%len(want)])
		}
	}
}

// An interface that goes away ends the capture, with what came before.
func TestCaptureInterfaceGoes(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	out := filepath.Join(t.TempDir(), "out.pcapng")
	capture := w.start(t, io.Discard, "-w", out)
	w.send(t, outer...)
	w.remove(t)
	capture.end(1)
	capture.await(`xdpeel: error: capture ended: interface "far": interface is gone`)
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
}

// `xdpeel detach` of another process ends the capture, with what came before.
func TestDetachEndsCapture(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	out := filepath.Join(t.TempDir(), "out.pcapng")
	capture := w.start(t, io.Discard, "-w", out)
	w.send(t, outer...)
	if said := w.xdpeel(t, "detach", "-i", "far"); said.status != 0 || !strings.Contains(said.stderr, "off far") {
		t.Errorf("detach: %+v", said)
	}
	capture.end(1)
	capture.await("program was taken off the interface")
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
}

// A capture that is killed leaves no program behind, and its file holds what came
// until then.
func TestKilledCaptureLeavesNothing(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	out := filepath.Join(t.TempDir(), "out.pcapng")
	capture := w.spawn(t, exec.Command(buildBinary(t), "capture", "-i", w.far.Name, "-w", out))
	capture.await("listening on")
	w.send(t, outer...)
	labtest.Eventually(t, "all packets are in the file", func() bool { return len(readWhole(t, out)) >= len(want) })
	capture.end(syscall.SIGKILL)
	err := w.far.Namespace.Do(func() error {
		iface, err := netlink.LinkByName(w.far.Name)
		if err == nil && iface.Attrs().Xdp != nil && iface.Attrs().Xdp.Attached {
			err = fmt.Errorf("program %d is left behind", iface.Attrs().Xdp.ProgId)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, readWhole(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
}
