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

	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/lab/corpus"
	"github.com/xdpeel/xdpeel/mirror"
)

func TestDecap(t *testing.T) {
	outer, want := conversation()
	dir := t.TempDir()
	in, out, ledgerPath := filepath.Join(dir, "in.pcap"), filepath.Join(dir, "out.pcapng"), filepath.Join(dir, "ledger.json")
	if err := os.WriteFile(in, pcap(outer...), 0o644); err != nil {
		t.Fatal(err)
	}
	said := xdpeel(t, "", "decap", "-r", in, "-w", out, "--ledger", ledgerPath)
	if said.status != 0 || said.stdout != "" {
		t.Fatalf("status %d, stdout %q, stderr %q", said.status, said.stdout, said.stderr)
	}
	if diff := cmp.Diff(want, readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	ledger := readLedger(t, ledgerPath)
	if ledger.Mode != "offline" || ledger.Interface != in || ledger.Received != uint64(len(outer)) {
		t.Errorf("ledger of %q, %s, received %d; want %q, offline, %d", ledger.Interface, ledger.Mode, ledger.Received, in, len(outer))
	}
	if got := ledger.Outputs["file"]; got.Offered != uint64(len(want)) || got.Delivered != uint64(len(want)) || len(got.Lost) > 0 {
		t.Errorf("output %+v, want %d offered and delivered", got, len(want))
	}
	for _, outcome := range []string{"host", "fragment", "malformed_ip", "malformed_udp", "malformed_vxlan",
		"malformed_geneve", "malformed_inner", "unknown_session", "delivered"} {
		if _, ok := ledger.Outcomes[outcome]; !ok {
			t.Errorf("outcome %s is not in the ledger", outcome)
		}
	}
	if len(ledger.Sessions) != 2 || ledger.Sessions[0].VNI != 12345 || ledger.Sessions[0].Source != "10.0.12.59" {
		t.Errorf("sessions %+v", ledger.Sessions)
	}
}

// From a pipe to a pipe, and a second time to the same name: nothing is overwritten.
func TestDecapPipes(t *testing.T) {
	outer, want := conversation()
	said := xdpeel(t, string(pcap(outer...)), "decap", "-r", "-", "-w", "-")
	if said.status != 0 {
		t.Fatalf("status %d, stderr %q", said.status, said.stderr)
	}
	dir := t.TempDir()
	piped := filepath.Join(dir, "piped.pcapng")
	if err := os.WriteFile(piped, []byte(said.stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, readFrames(t, piped)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	again := xdpeel(t, string(pcap(outer...)), "decap", "-r", "-", "-w", piped)
	if again.status != 0 {
		t.Fatalf("status %d, stderr %q", again.status, again.stderr)
	}
	if diff := cmp.Diff(want, readFrames(t, filepath.Join(dir, "piped-1.pcapng"))); diff != "" {
		t.Errorf("second file (-want +got):\n%s", diff)
	}
}

// Whatever whoever writes to the pipe has sent so far comes out, though more is to come.
func TestDecapOfASlowPipe(t *testing.T) {
	outer, want := conversation()
	file := pcap(outer...)
	in, feed := io.Pipe()
	result, out := io.Pipe()
	env := &environment{stdin: in, stdout: out, stderr: io.Discard}
	done := make(chan int, 1)
	go func() {
		done <- execute(t.Context(), env, []string{"decap", "-r", "-", "-w", "-"})
		out.Close()
	}()
	reader := make(chan *capfile.Reader, 1)
	go func() {
		r, err := capfile.NewReader(result)
		if err != nil {
			t.Error(err)
		}
		reader <- r
	}()
	sent := 24
	feed.Write(file[:sent])
	r := <-reader
	for i, frame := range outer {
		next := sent + 16 + len(frame)
		feed.Write(file[sent:next])
		sent = next
		got, err := r.Next()
		if err != nil || !bytes.Equal(got.Data, want[i]) {
			t.Fatalf("frame %d: %v, %x; want %x", i, err, got.Data, want[i])
		}
	}
	feed.Close()
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
	if status := <-done; status != 0 {
		t.Errorf("status %d", status)
	}
}

// A torn capture keeps what was whole, and says where it tore.
func TestDecapTorn(t *testing.T) {
	outer, inner := conversation()
	file := pcap(outer...)
	whole := 24 + 16 + len(outer[0]) + 16 + len(outer[1])
	dir := t.TempDir()
	in, out := filepath.Join(dir, "torn.pcap"), filepath.Join(dir, "out.pcapng")
	if err := os.WriteFile(in, file[:whole+30], 0o644); err != nil {
		t.Fatal(err)
	}
	said := xdpeel(t, "", "decap", "-r", in, "-w", out)
	want := fmt.Sprintf("xdpeel: error: read %s: ", in)
	if said.status != 1 || !strings.Contains(said.stderr, want) || !strings.Contains(said.stderr, fmt.Sprint(whole)) {
		t.Errorf("status %d, said %q; want 1, %q and byte %d", said.status, said.stderr, want, whole)
	}
	if diff := cmp.Diff(inner[:2], readFrames(t, out)); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
}

func TestDecapBadInput(t *testing.T) {
	dir := t.TempDir()
	text, cooked := filepath.Join(dir, "text"), filepath.Join(dir, "cooked.pcap")
	linux := pcap([]byte("a frame of another link type"))
	linux[20] = 113
	for path, content := range map[string][]byte{text: []byte("not a capture at all"), cooked: linux} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ in, out, want string }{
		{filepath.Join(dir, "nonesuch"), "out", "no such file"},
		{dir, "out", "is a directory"},
		{text, "out", "not a readable capture file"},
		{cooked, "out", "113"},
		{text, "no/such/dir/out", "not a readable capture file"},
	} {
		said := xdpeel(t, "", "decap", "-r", test.in, "-w", filepath.Join(dir, test.out))
		if said.status != 1 || !strings.HasPrefix(said.stderr, "xdpeel: error: ") || !strings.Contains(said.stderr, test.want) {
			t.Errorf("decap of %s: status %d, said %q; want 1 and %q", test.in, said.status, said.stderr, test.want)
		}
	}
}

// What comes out of every capture of the corpus is what two dissectors found in
// the wrapping, and tshark reads it.
func TestDecapCorpus(t *testing.T) {
	captures, err := corpus.Mirrored()
	if errors.Is(err, corpus.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, capture := range captures {
		t.Run(capture.Name, func(t *testing.T) {
			t.Parallel()
			decapCapture(t, capture)
		})
	}
}

func decapCapture(t *testing.T, capture corpus.Capture) {
	var want []string
	for _, frame := range capture.Frames {
		switch {
		case frame.Action == corpus.Decap:
			want = append(want, frame.InnerHash)
		case len(frame.Data) < frame.WireLength && frame.WireLength < 1<<16:
			want = append(want, frame.AvailableHash) // cut by the capture's own snap length: stripped leniently
		}
	}
	out := filepath.Join(t.TempDir(), "out.pcapng")
	said := xdpeel(t, "", "decap", "-r", capture.Path, "-w", out, "--vxlan-ports", (*portList)(&capture.Ports.VXLAN).String())
	if said.status != 0 {
		t.Fatalf("status %d, stderr %q", said.status, said.stderr)
	}
	var got []string
	for _, frame := range readFrames(t, out) {
		if bytes.HasPrefix(frame, mirror.AppendMadeUpEthernet(nil, 0)[:12]) {
			frame = frame[14:]
		}
		got = append(got, corpus.Hash(frame))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	if tshark, err := exec.LookPath("tshark"); err == nil {
		if said, err := exec.Command(tshark, "-n", "-r", out).CombinedOutput(); err != nil {
			t.Errorf("tshark: %v: %s", err, said)
		}
	}
}
