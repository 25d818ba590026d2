package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// captureRefused runs a capture that must not begin.
func (w *wire) captureRefused(t *testing.T, args ...string) (said spoken) {
	t.Helper()
	said = w.xdpeel(t, append([]string{"capture"}, args...)...)
	if said.status != 1 || said.stdout != "" || !strings.Contains(said.stderr, "xdpeel: error: ") {
		t.Errorf("status %d, stdout %q, said %q", said.status, said.stdout, said.stderr)
	}
	return said
}

func TestCaptureRefusals(t *testing.T) {
	w := newWire(t)
	for _, test := range []struct{ args, want string }{
		{"-i nonesuch0", "xdpeel: error: find interface \"nonesuch0\": no such interface\nxdpeel: hint: `ip -br link` lists"},
		{"-i far -w /nonesuch/out.pcapng", "no such file or directory"},
		{"-i far -w out-%Q.pcapng", "%Q"},
	} {
		if said := w.captureRefused(t, strings.Fields(test.args)...); !strings.Contains(said.stderr, test.want) {
			t.Errorf("capture %s said %q, want %q", test.args, said.stderr, test.want)
		}
	}

	first := w.start(t, io.Discard)
	said := w.captureRefused(t, "-i", "far")
	if want := "xdpeel: hint: another xdpeel captures there. If it is the daemon, an output of type socket in its configuration lets `xdpeel capture` read along; `xdpeel detach -i far` would end it\n"; !strings.Contains(said.stderr, want) {
		t.Errorf("second capture said %q, want %q", said.stderr, want)
	}
	first.stop()
	first.end(0)
}

// Without privileges a capture says which are missing.
func TestCaptureUnprivileged(t *testing.T) {
	if os.Getuid() != 0 {
		said := xdpeel(t, "", "capture", "-i", "lo")
		if said.status != 1 || !strings.Contains(said.stderr, "CAP_BPF") {
			t.Errorf("status %d, said %q; want 1 and CAP_BPF", said.status, said.stderr)
		}
		return
	}
	binary := buildBinary(t)
	for dir := binary; dir != "/"; dir = filepath.Dir(dir) {
		if filepath.Dir(dir) != "/" && os.Chmod(dir, 0o755) != nil {
			t.Skip("cannot let nobody reach the binary")
		}
	}
	cmd := exec.Command(binary, "capture", "-i", "lo")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	said, err := cmd.CombinedOutput()
	exit := (*exec.ExitError)(nil)
	const want = "xdpeel: error: missing privilege: CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN\n" +
		"xdpeel: hint: run it as root, or grant all that it needs: setcap cap_bpf,cap_perfmon,cap_net_admin+ep $(command -v xdpeel)\n"
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || string(said) != want {
		t.Errorf("%v, said %q; want exit status 1 and %q", err, said, want)
	}
}
