package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/corpus"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// What FILTER takes out of the corpus is what tcpdump takes, with the same
// expression, out of all that is in it.
func TestDecapFilterIsTcpdumps(t *testing.T) {
	labtest.Need(t, "tcpdump")
	captures, err := corpus.Mirrored()
	if errors.Is(err, corpus.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	taken := make(map[string]int)
	for _, capture := range captures {
		dir := t.TempDir()
		whole := decapTo(t, filepath.Join(dir, "whole.pcapng"), capture)
		if len(readFrames(t, whole)) == 0 {
			continue // tcpdump wants an interface block
		}
		for _, expression := range []string{
			"tcp", "not tcp", "icmp or arp", "udp port 53 or tcp portrange 1-1023",
			"ip6 and not net fe80::/10", "net 10.0.0.0/8 and (src port 22 or dst port 22 or icmp)", "ip proto 17",
		} {
			oracle := filepath.Join(dir, "oracle.pcap")
			if said, err := exec.Command("tcpdump", "-r", whole, "-w", oracle, expression).CombinedOutput(); err != nil {
				t.Fatalf("%s: tcpdump: %v: %s", capture.Name, err, said)
			}
			want := readFrames(t, oracle)
			got := readFrames(t, decapTo(t, filepath.Join(dir, "filtered.pcapng"), capture, strings.Fields(expression)...))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: (-tcpdump +got):\n%s", capture.Name, expression, diff)
			}
			taken[expression] += len(got)
			if err := errors.Join(os.Remove(oracle), os.Remove(filepath.Join(dir, "filtered.pcapng"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for expression, n := range taken {
		if n == 0 {
			t.Errorf("%s takes nothing of all captures: it proves nothing", expression)
		}
	}
}

// decapTo strips a capture of the corpus to a file and returns its path.
func decapTo(t *testing.T, out string, capture corpus.Capture, filter ...string) string {
	t.Helper()
	args := []string{"decap", "-r", capture.Path, "-w", out, "--vxlan-ports", (*portList)(&capture.Ports.VXLAN).String()}
	if said := xdpeel(t, "", append(args, filter...)...); said.status != 0 {
		t.Fatalf("%s: status %d, stderr %q", capture.Name, said.status, said.stderr)
	}
	return out
}

// Filtered packets are counted, to their session too.
func TestDecapFilterIsCounted(t *testing.T) {
	outer, inner := conversation()
	out, ledgerPath := filepath.Join(t.TempDir(), "out.pcapng"), filepath.Join(t.TempDir(), "ledger.json")
	said := xdpeel(t, string(pcap(outer...)), "decap", "-r", "-", "-w", out, "--ledger", ledgerPath, "icmp")
	if said.status != 0 {
		t.Fatalf("status %d, stderr %q", said.status, said.stderr)
	}
	var want [][]byte
	for _, frame := range inner {
		if frame[23] == 1 { // IPv4's protocol
			want = append(want, frame)
		}
	}
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" || len(want) == 0 {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	ledger := readLedger(t, ledgerPath)
	delivered, filtered := uint64(len(want)), uint64(len(inner)-len(want))
	if ledger.Outcomes["delivered"] != delivered || ledger.Outcomes["filtered"] != filtered || ledger.Outputs["file"].Offered != delivered {
		t.Errorf("ledger %+v, want %d delivered and %d filtered", ledger, delivered, filtered)
	}
	if got := ledger.Sessions[0].Filtered + ledger.Sessions[1].Filtered; got != filtered {
		t.Errorf("sessions count %d filtered packets, want %d", got, filtered)
	}
}

const decapConfig = `
sessions:
  - {vni: 12345, source: 10.0.12.59, name: web-1, filter: web, snaplen: 60, outputs: [archive]}
  - {vni: any, outputs: []}
filters:
  web: {expression: tcp port 80}
outputs:
  archive: {type: pcapng, path: not-written.pcapng}
`

// With a configuration, what any output would get is written.
func TestDecapConfig(t *testing.T) {
	outer, _ := conversation()
	dir := t.TempDir()
	path, out, ledgerPath := filepath.Join(dir, "xdpeel.yaml"), filepath.Join(dir, "out.pcapng"), filepath.Join(dir, "ledger.json")
	if err := os.WriteFile(path, []byte(decapConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	said := xdpeel(t, string(pcap(outer...)), "decap", "-r", "-", "-w", out, "--config", path, "--ledger", ledgerPath)
	if said.status != 0 {
		t.Fatalf("status %d, stderr %q", said.status, said.stderr)
	}
	var want [][]byte
	others, filtered := uint64(0), uint64(0)
	for _, event := range lab.Conversation() {
		data := event.Packet.Data
		isWeb := data[23] == 6 && (bytes.Equal(data[34:36], []byte{0, 80}) || bytes.Equal(data[36:38], []byte{0, 80}))
		switch {
		case event.Packet.Session.VNI != 12345:
			others++
		case !isWeb:
			filtered++
		default:
			want = append(want, data[:min(len(data), 60)])
		}
	}
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	ledger := readLedger(t, ledgerPath)
	if n := uint64(len(want)); ledger.Outputs["file"].Offered != n || ledger.Outcomes["delivered"] != n+others || ledger.Outcomes["filtered"] != filtered {
		t.Errorf("ledger %+v, want %d offered, %d delivered, %d filtered", ledger, n, n+others, filtered)
	}
	if ledger.Sessions[0].Name != "web-1" {
		t.Errorf("session %+v, want the name web-1", ledger.Sessions[0])
	}
	if _, err := os.Stat(filepath.Join(dir, "not-written.pcapng")); err == nil {
		t.Error("the output's own file was written")
	}
}

// In the kernel FILTER takes the same, and the rest is consumed and counted.
func TestCaptureFilter(t *testing.T) {
	w := newWire(t)
	outer, inner := conversation()
	var want [][]byte
	for _, frame := range inner {
		if frame[23] == 1 {
			want = append(want, frame)
		}
	}
	out, ledgerPath := filepath.Join(t.TempDir(), "out.pcapng"), filepath.Join(t.TempDir(), "ledger.json")
	capture := w.start(t, io.Discard, "-w", out, "--ledger", ledgerPath, "-c", fmt.Sprint(len(want)), "icmp", "and", "net", "10.0.0.0/8")
	capture.await(`filter "icmp and net 10.0.0.0/8"`)
	w.send(t, outer...)
	capture.end(0)
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	ledger := readLedger(t, ledgerPath)
	if ledger.Outcomes["delivered"] != uint64(len(want)) || ledger.Outcomes["filtered"] != ledger.Received-uint64(len(want)) {
		t.Errorf("ledger %+v, want %d delivered and the rest filtered", ledger, len(want))
	}
}
