package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// newPins mounts a bpffs of the test's own; what is pinned there goes with it.
func newPins(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	labtest.Mount(t, "bpf", dir, "bpf", "")
	return filepath.Join(dir, "xdpeel")
}

// `ip netns exec` gives a daemon its own /sys: what it pins there goes with it. It says
// so, and so does doctor.
func TestPrivatePins(t *testing.T) {
	w, dir, binary := newWire(t), t.TempDir(), buildBinary(t)
	path := filepath.Join(dir, "xdpeel.yaml")
	text := "interfaces: [far]\nhttp: 127.0.0.1:0\nsessions: [{vni: any}]\n" +
		"outputs: {all: {type: pcapng, path: " + filepath.Join(dir, "all.pcapng") + "}}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	within := func(arguments ...string) *exec.Cmd {
		return exec.Command("ip", append([]string{"netns", "exec", w.far.Namespace.Name(), binary}, arguments...)...)
	}
	const remedy = "nsenter --net="
	if said, _ := within("doctor", "-i", "far").CombinedOutput(); !strings.Contains(string(said), remedy) {
		t.Errorf("doctor said %s, want %s", said, remedy)
	}
	daemon := &process{&running{t: t, stderr: new(lab.Transcript)}, within("run", "--config", path)}
	daemon.cmd.Stderr = daemon.stderr
	if err := daemon.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	daemon.await("msg=running")
	if said := daemon.stderr.String(); strings.Count(said, remedy) != 1 {
		t.Errorf("the daemon said %s, want %s once", said, remedy)
	}
	daemon.end(syscall.SIGTERM)
}
