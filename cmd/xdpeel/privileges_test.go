package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// somebody is a user who is not root.
const somebody = 65534

// capabilityNames are those of the daemon's.
var capabilityNames = map[uintptr]string{
	unix.CAP_BPF: "CAP_BPF", unix.CAP_PERFMON: "CAP_PERFMON", unix.CAP_NET_ADMIN: "CAP_NET_ADMIN", unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN",
	unix.CAP_NET_RAW: "CAP_NET_RAW",
}

// unprivileged has a command run as somebody who has the capabilities and no others. The
// ways to the files that it names are opened.
func unprivileged(t *testing.T, capabilities []uintptr, binary string, args ...string) *exec.Cmd {
	t.Helper()
	for _, path := range append(args, binary) {
		for at := filepath.Dir(path); strings.HasPrefix(at, os.TempDir()+"/"); at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: somebody, Gid: somebody},
		AmbientCaps: capabilities,
	}
	return cmd
}

// The daemon runs as somebody with three capabilities; with any of them taken away it
// says which, in one sentence, and leaves nothing behind.
func TestRunPrivileges(t *testing.T) {
	w := newWire(t)
	dir, binary := t.TempDir(), buildBinary(t)
	path := filepath.Join(dir, "xdpeel.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(daemonConfig(everything), "DIR", dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, somebody, somebody); err != nil {
		t.Fatal(err)
	}
	needed := []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN}
	for _, missing := range needed {
		rest := slices.DeleteFunc(slices.Clone(needed), func(c uintptr) bool { return c == missing })
		said := new(lab.Transcript)
		cmd := unprivileged(t, rest, binary, "run", "--config", path)
		cmd.Stderr = said
		if err := w.far.Namespace.Start(cmd); err != nil {
			t.Fatal(err)
		}
		name := capabilityNames[missing]
		want := fmt.Sprintf("xdpeel: error: missing privilege: %s\nxdpeel: hint: run it as root, or grant all that it needs: setcap cap_bpf,cap_perfmon,cap_net_admin+ep $(command -v xdpeel)\n", name)
		if err := cmd.Wait(); err == nil || said.String() != want {
			t.Errorf("without %s: %v, said %q, want %q", name, err, said, want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.pcapng")); err != nil || len(left) > 0 {
		t.Errorf("%v: left %v behind", err, left)
	}

	stderr := new(lab.Transcript)
	cmd := unprivileged(t, needed, binary, "run", "--config", path)
	cmd.Stderr = stderr
	if err := w.far.Namespace.Start(cmd); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	r := &running{t: t, stderr: stderr}
	r.await("msg=listening")
	outer, inner := conversation()
	w.send(t, outer...)
	checkPrivileges(t, cmd.Process.Pid, 0)
	for _, signal := range []os.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if signal == syscall.SIGHUP {
			r.await("configuration reloaded")
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(stderr.String(), fmt.Sprintf("%d delivered, none lost", len(inner))) {
		t.Errorf("%v, said %s", err, stderr)
	}
	if info, err := os.Stat(filepath.Join(dir, "all.pcapng")); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("%v: captured packets are for everybody: %v", err, info.Mode())
	}
}

// checkPrivileges looks at every thread of a process: it has no capabilities but those of a
// set, and can get no others.
func checkPrivileges(t *testing.T, pid int, allowed uint64) {
	t.Helper()
	statuses, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(statuses) == 0 {
		t.Fatalf("%v: no threads", err)
	}
	for _, path := range statuses {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that has ended
		}
		if !regexp.MustCompile(`(?m)^NoNewPrivs:\s+1$`).Match(text) {
			t.Errorf("%s: may get new privileges", path)
		}
		for _, set := range regexp.MustCompile(`(?m)^Cap(?:Eff|Prm):\s+(\w+)$`).FindAllSubmatch(text, -1) {
			if has, err := strconv.ParseUint(string(set[1]), 16, 64); err != nil || has&^allowed != 0 {
				t.Errorf("%s: %s, want at most %x", path, set[0], allowed)
			}
		}
	}
}

// childOf returns the only child of a process, whichever thread started it.
func childOf(t *testing.T, pid int) (child int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lists {
		text, _ := os.ReadFile(path) // a thread may have ended
		if n, _ := fmt.Sscan(string(text), &child); n == 1 {
			return child
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}

// fileCapabilities are those that root keeps.
const fileCapabilities = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID

// Packets are read by a process without privileges: it takes other and larger policies
// all the same, and comes back to an interface that was made anew. Without its helper
// there are no other policies, and all else goes on.
func TestRunWithoutPrivileges(t *testing.T) {
	w := newWire(t)
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.write(t, daemonConfig(everything))
	cmd := exec.Command(buildBinary(t), "run", "--config", d.path("xdpeel.yaml"))
	stderr := new(lab.Transcript)
	cmd.Stderr = stderr
	if err := w.far.Namespace.Start(cmd); err != nil {
		t.Fatal(err)
	}
	waited := false
	defer func() {
		if !waited {
			cmd.Process.Kill()
			cmd.Wait()
		}
	}()
	d.running = &running{t: t, stderr: stderr}
	d.await("msg=listening")
	outer, inner := conversation()
	w.send(t, outer...)
	checkPrivileges(t, cmd.Process.Pid, fileCapabilities)
	helper := childOf(t, cmd.Process.Pid)
	checkPrivileges(t, helper, helperCapabilities)

	var many strings.Builder
	many.WriteString("allow_sources:\n")
	for i := range 9000 {
		fmt.Fprintf(&many, "  - 10.%d.%d.%d/32\n", i/4096, i/16%256, i%16*16+11)
	}
	d.write(t, daemonConfig(many.String()+"  - 10.0.0.0/8\n"+everything))
	hangup := func(words string) {
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		d.await(words)
	}
	hangup("generation=2")
	w.send(t, outer...)

	w.remove(t)
	d.await("interface is gone")
	w.remake(t)
	labtest.Eventually(t, "attached again", func() bool { return strings.Count(stderr.String(), "msg=attached") == 2 })
	w.send(t, outer...)
	if err := syscall.Kill(helper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.write(t, daemonConfig(everything))
	hangup("the helper is gone")
	d.await("restart xdpeel: its helper was killed")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	waited = true
	if err != nil || !strings.Contains(stderr.String(), fmt.Sprintf("%d delivered, none lost", 3*len(inner))) {
		t.Errorf("%v, said %s", err, stderr)
	}
}

// What one daemon without privileges leaves on its interface, the next takes over: by a
// directory of pins that is its own.
func TestRunKeepsWithoutPrivileges(t *testing.T) {
	w := newWire(t)
	dir, binary, pins := t.TempDir(), buildBinary(t), newPins(t)
	path := filepath.Join(dir, "xdpeel.yaml")
	text := "interfaces: [far]\nhttp: 127.0.0.1:0\npins: " + pins + "\n" + strings.ReplaceAll(everything, "DIR", dir)
	// As deploy/systemd/xdpeel.tmpfiles does.
	err := errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chown(dir, somebody, somebody),
		os.Chmod(filepath.Dir(pins), 0o711), os.Mkdir(pins, 0o700), os.Chown(pins, somebody, somebody))
	if err != nil {
		t.Fatal(err)
	}
	outer, _ := conversation()
	for round := range 3 {
		stderr := new(lab.Transcript)
		cmd := unprivileged(t, []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN}, binary, "run", "--config", path)
		cmd.Stderr = stderr
		if err := w.far.Namespace.Start(cmd); err != nil {
			t.Fatal(err)
		}
		(&running{t: t, stderr: stderr}).await("msg=listening")
		checkPrivileges(t, cmd.Process.Pid, 0)
		helper := childOf(t, cmd.Process.Pid)
		w.send(t, outer...)
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		if err := syscall.Kill(helper, 0); err == nil {
			t.Error("the helper is still there")
		}
		if round > 0 && !strings.Contains(stderr.String(), "taken over") {
			t.Errorf("round %d: nothing is taken over: %s", round, stderr)
		}
		if want := fmt.Sprintf("%d   delivered", (round+1)*len(outer)); !strings.Contains(stderr.String(), want) {
			t.Errorf("round %d: said %s, want %s", round, stderr, want)
		}
	}
	err = w.far.Namespace.Do(func() error {
		if said := xdpeel(t, "", "detach", "-i", "far", "--pins", pins); said.status != 0 {
			return errors.New(said.stderr)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Whose program an interface carries is for the privileged to know, and to take off.
func TestHiddenHolder(t *testing.T) {
	w := newWire(t)
	w.run(t, everything)
	binary := buildBinary(t)
	needed := []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN}
	for _, test := range []struct {
		line string
		want string
	}{
		{"capture -i far -c 1", `interface "far" already carries an XDP program \(id \d+\); whose it is takes CAP_SYS_ADMIN to tell`},
		{"detach -i far", `missing privilege: CAP_SYS_ADMIN`},
		{"doctor -i far", `xdpeel would not run on far as asked`},
	} {
		said := new(lab.Transcript)
		cmd := unprivileged(t, needed, binary, strings.Fields(test.line)...)
		cmd.Stderr = said
		if err := w.far.Namespace.Start(cmd); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || !regexp.MustCompile("^xdpeel: error: "+test.want).MatchString(said.String()) {
			t.Errorf("%s: %v, said %q, want %q", test.line, err, said, test.want)
		}
	}
}
