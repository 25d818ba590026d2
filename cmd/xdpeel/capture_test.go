package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
)

func TestCaptureToFile(t *testing.T) {
	for _, mode := range []string{"native", "generic"} {
		t.Run(mode, func(t *testing.T) {
			w := newWire(t)
			outer, want := conversation()
			out, ledgerPath := filepath.Join(t.TempDir(), "out.pcapng"), filepath.Join(t.TempDir(), "ledger.json")
			capture := w.start(t, io.Discard, "--mode", mode, "-w", out, "-c", fmt.Sprint(len(outer)), "--ledger", ledgerPath)
			capture.await(mode + " mode")
			host := bytes.Repeat([]byte{2}, 60)
			w.send(t, host)
			w.send(t, outer...)
			capture.end(0)
			if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
				t.Errorf("inner frames (-want +got):\n%s", diff)
			}
			ledger := readLedger(t, ledgerPath)
			n := uint64(len(outer))
			if ledger.Interface != "far" || ledger.Mode != mode || ledger.Received != n+1 || ledger.Outcomes["host"] != 1 {
				t.Errorf("ledger %+v, want %d received, one of them the host's", ledger, n+1)
			}
			if got := ledger.Outputs["file"]; got.Offered != n || got.Delivered != n || len(got.Lost) > 0 {
				t.Errorf("output %+v, want %d offered and delivered", got, n)
			}
		})
	}
}

// What arrives after the last packet that was asked for is counted as just that.
func TestCaptureCount(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	out, ledgerPath := filepath.Join(t.TempDir(), "out.pcapng"), filepath.Join(t.TempDir(), "ledger.json")
	capture := w.start(t, io.Discard, "-w", out, "-c", "5", "--ledger", ledgerPath)
	w.send(t, outer...)
	capture.end(0)
	if diff := cmp.Diff(want[:5], readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	got := readLedger(t, ledgerPath).Outputs["file"]
	if got.Delivered != 5 || got.Offered != 5+got.Lost["limit_reached"] {
		t.Errorf("output %+v, want 5 delivered and the rest beyond the limit", got)
	}
}

func TestCaptureLines(t *testing.T) {
	w := newWire(t)
	outer, _ := conversation()
	stdout := new(lab.Transcript)
	capture := w.start(t, stdout, "-c", fmt.Sprint(len(outer)))
	w.send(t, outer...)
	capture.end(0)
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if len(lines) != len(outer) {
		t.Fatalf("%d lines, want %d", len(lines), len(outer))
	}
	const want = " vni 12345 from 10.0.12.59 In  IP 198.51.100.23.51034 > 10.0.12.59.80: TCP [S], length 66"
	if !strings.HasSuffix(lines[0], want) {
		t.Errorf("first line %q, want ...%q", lines[0], want)
	}
}

func TestCaptureOneVNI(t *testing.T) {
	w := newWire(t)
	var outer, want [][]byte
	for _, event := range lab.Conversation() {
		outer = append(outer, event.Frame)
		if event.Packet.Session.VNI == 12345 {
			want = append(want, event.Packet.Data[:min(len(event.Packet.Data), 64)])
		}
	}
	out, ledgerPath := filepath.Join(t.TempDir(), "out.pcapng"), filepath.Join(t.TempDir(), "ledger.json")
	capture := w.start(t, io.Discard, "-w", out, "--vni", "12345", "-s", "64", "-c", fmt.Sprint(len(want)), "--ledger", ledgerPath)
	w.send(t, outer...)
	capture.end(0)
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	if ledger := readLedger(t, ledgerPath); len(ledger.Sessions) != 1 {
		t.Errorf("sessions %+v, want one", ledger.Sessions)
	}
}
