package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// The demo works as a process of its own, too, and takes its network away.
func TestDemoProcess(t *testing.T) {
	labtest.NeedRoot(t, "makes network namespaces")
	cmd := exec.Command(buildBinary(t), "demo", "-w", filepath.Join(t.TempDir(), "demo.pcapng"))
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	left, err := filepath.Glob(fmt.Sprintf("/run/netns/xdpeel-*-%d-*", cmd.Process.Pid))
	if err != nil || len(left) > 0 {
		t.Errorf("the demo has left the namespaces %v: %v", left, err)
	}
}

func TestDemo(t *testing.T) {
	labtest.NeedRoot(t, "makes network namespaces")
	out := filepath.Join(t.TempDir(), "demo.pcapng")
	said := xdpeel(t, "", "demo", "-w", out)
	_, want := conversation()
	if said.status != 0 || !strings.Contains(said.stdout, "tshark -r "+out) {
		t.Errorf("status %d, stdout %q, stderr %q", said.status, said.stdout, said.stderr)
	}
	if !strings.Contains(said.stderr, fmt.Sprintf("%d offered, %[1]d delivered, none lost", len(want))) {
		t.Errorf("ledger %q", said.stderr)
	}
	if got := readFrames(t, out); len(got) != len(want) {
		t.Errorf("%d packets, want %d", len(got), len(want))
	}
}
