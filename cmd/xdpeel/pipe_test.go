package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// A signal ends a capture with a whole file and the ledger. A reader of the pipe
// has each packet while the capture goes on.
func TestCaptureToPipe(t *testing.T) {
	w := newWire(t)
	outer, want := conversation()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	capture := w.start(t, write, "-w", "-")
	reader, err := capfile.NewReader(read)
	if err != nil {
		t.Fatal(err)
	}
	for i, frame := range outer {
		w.send(t, frame)
		got, err := reader.Next()
		if err != nil || !bytes.Equal(got.Data, want[i]) {
			t.Fatalf("frame %d: %v, %x; want %x", i, err, got.Data, want[i])
		}
	}
	capture.stop()
	capture.end(0)
	write.Close()
	if _, err := reader.Next(); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF: the statistics blocks are whole", err)
	}
	capture.await(fmt.Sprintf("%d frames received", len(outer)))
}

// tshark on the other end of the pipe shows what arrives.
func TestCaptureIntoTshark(t *testing.T) {
	labtest.Need(t, "tshark")
	w := newWire(t)
	outer, _ := conversation()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.CommandContext(t.Context(), "tshark", "-n", "-l", "-r", "-", "-T", "fields", "-e", "frame.interface_name", "-e", "_ws.col.Protocol")
	cmd.Stdin = read
	lines := new(lab.Transcript)
	cmd.Stdout = lines
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	capture := w.start(t, write, "-w", "-")
	w.send(t, outer...)
	labtest.Eventually(t, "tshark shows all packets", func() bool { return strings.Count(lines.String(), "\n") >= len(outer) })
	capture.stop()
	capture.end(0)
	write.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("tshark: %v", err)
	}
	if first, want := strings.SplitN(lines.String(), "\n", 2)[0], "vni 12345 from 10.0.12.59\tTCP"; first != want {
		t.Errorf("first line %q, want %q", first, want)
	}
}

// A reader that goes away ends the capture, as with tcpdump.
func TestCapturePipeCloses(t *testing.T) {
	w := newWire(t)
	outer, _ := conversation()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	capture := w.start(t, write, "-w", "-")
	read.Close()
	w.send(t, outer...)
	capture.end(0)
	capture.await("frames received")
}
