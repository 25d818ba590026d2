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

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// somebody is a user who is not root.
const somebody = 65534

// capabilityNames are those of the daemon's.
var capabilityNames = map[uintptr]string{
	unix.CAP_BPF: "CAP_BPF", unix.CAP_PERFMON: "CAP_PERFMON", unix.CAP_NET_ADMIN: "CAP_NET_ADMIN", unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN",
	unix.CAP_NET_RAW: "CAP_NET_RAW",
}

// basicCapabilities are those that every daemon needs.
var basicCapabilities = []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN}

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

// spawnUnprivileged starts the daemon as somebody who has some capabilities.
func (d *runningDaemon) spawnUnprivileged(t *testing.T, capabilities []uintptr) *process {
	t.Helper()
	if err := os.Chown(d.dir, somebody, somebody); err != nil {
		t.Fatal(err)
	}
	return d.wire.spawn(t, unprivileged(t, capabilities, buildBinary(t), "run", "--config", d.path("xdpeel.yaml")))
}

// A daemon that lacks any of the capabilities that every daemon needs says which, in one
// sentence, and leaves nothing behind.
func TestRunLacksPrivileges(t *testing.T) {
	d := &runningDaemon{wire: newWire(t), dir: t.TempDir()}
	d.write(t, daemonConfig(everything))
	for _, missing := range basicCapabilities {
		rest := slices.DeleteFunc(slices.Clone(basicCapabilities), func(c uintptr) bool { return c == missing })
		name := capabilityNames[missing]
		want := fmt.Sprintf("xdpeel: error: missing privilege: %s\nxdpeel: hint: run it as root, or grant all that it needs: setcap cap_bpf,cap_perfmon,cap_net_admin+ep $(command -v xdpeel)\n", name)
		if said := d.spawnUnprivileged(t, rest).refusal(); said != want {
			t.Errorf("without %s: said %q, want %q", name, said, want)
		}
	}
	if left, err := filepath.Glob(d.path("*.pcapng")); err != nil || len(left) > 0 {
		t.Errorf("%v: left %v behind", err, left)
	}
}

// With three capabilities the daemon runs as somebody, and its files are not for everybody.
func TestRunPrivileges(t *testing.T) {
	d := &runningDaemon{wire: newWire(t), dir: t.TempDir()}
	d.write(t, daemonConfig(everything))
	p := d.spawnUnprivileged(t, basicCapabilities)
	p.await("msg=listening")
	outer, inner := conversation()
	d.wire.send(t, outer...)
	checkPrivileges(t, p.cmd.Process.Pid, 0)
	p.signal(syscall.SIGHUP)
	p.await("configuration reloaded")
	p.end(syscall.SIGTERM)
	if !strings.Contains(p.stderr.String(), fmt.Sprintf("%d delivered, none lost", len(inner))) {
		t.Errorf("said %s", p.stderr)
	}
	if info, err := os.Stat(d.path("all.pcapng")); err != nil || info.Mode().Perm()&0o007 != 0 {
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

// manySources is a policy of a form that takes maps which `everything` does not.
func manySources() string {
	var text strings.Builder
	text.WriteString("allow_sources:\n")
	for i := range 9000 {
		fmt.Fprintf(&text, "  - 10.%d.%d.%d/32\n", i/4096, i/16%256, i%16*16+11)
	}
	return text.String() + "  - 10.0.0.0/8\n"
}

// Packets are read by a process without privileges: it takes other and larger policies
// all the same, and comes back to an interface that was made anew. Without its helper
// there are no other policies, and all else goes on.
func TestRunWithoutPrivileges(t *testing.T) {
	w := newWire(t)
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.write(t, daemonConfig(everything))
	p := w.spawn(t, exec.Command(buildBinary(t), "run", "--config", d.path("xdpeel.yaml")))
	p.await("msg=listening")
	outer, inner := conversation()
	w.send(t, outer...)
	checkPrivileges(t, p.cmd.Process.Pid, fileCapabilities)
	helper := childOf(t, p.cmd.Process.Pid)
	checkPrivileges(t, helper, helperCapabilities)

	d.write(t, daemonConfig(manySources()+everything))
	p.signal(syscall.SIGHUP)
	p.await("generation=2")
	w.send(t, outer...)

	w.remove(t)
	p.await("interface is gone")
	w.remake(t)
	labtest.Eventually(t, "attached again", func() bool { return strings.Count(p.stderr.String(), "msg=attached") == 2 })
	w.send(t, outer...)

	if err := syscall.Kill(helper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.write(t, daemonConfig(everything))
	p.signal(syscall.SIGHUP)
	p.await("the helper is gone")
	p.await("restart xdpeel: its helper was killed")
	p.end(syscall.SIGTERM)
	if !strings.Contains(p.stderr.String(), fmt.Sprintf("%d delivered, none lost", 3*len(inner))) {
		t.Errorf("said %s", p.stderr)
	}
}

// What one daemon without privileges leaves on its interface, the next takes over: by a
// directory of pins that is its own.
func TestRunKeepsWithoutPrivileges(t *testing.T) {
	w, pins := newWire(t), newPins(t)
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.write(t, "interfaces: [far]\nhttp: 127.0.0.1:0\npins: "+pins+"\n"+everything)
	// As deploy/systemd/xdpeel.tmpfiles does.
	err := errors.Join(os.Chmod(filepath.Dir(pins), 0o711), os.Mkdir(pins, 0o700), os.Chown(pins, somebody, somebody))
	if err != nil {
		t.Fatal(err)
	}
	outer, _ := conversation()
	for round := range 3 {
		p := d.spawnUnprivileged(t, basicCapabilities)
		p.await("msg=listening")
		checkPrivileges(t, p.cmd.Process.Pid, 0)
		helper := childOf(t, p.cmd.Process.Pid)
		w.send(t, outer...)
		p.end(syscall.SIGTERM)
		if err := syscall.Kill(helper, 0); err == nil {
			t.Error("the helper is still there")
		}
		if round > 0 && !strings.Contains(p.stderr.String(), "taken over") {
			t.Errorf("round %d: nothing is taken over: %s", round, p.stderr)
		}
		if want := fmt.Sprintf("%d   delivered", (round+1)*len(outer)); !strings.Contains(p.stderr.String(), want) {
			t.Errorf("round %d: said %s, want %s", round, p.stderr, want)
		}
	}
	w.detach(t, "--pins", pins)
}

// Whose program an interface carries is for the privileged to know, and to take off.
func TestHiddenHolder(t *testing.T) {
	w := newWire(t)
	w.run(t, everything)
	binary := buildBinary(t)
	for _, test := range []struct {
		line string
		want string
	}{
		{"capture -i far -c 1", `interface "far" already carries an XDP program \(id \d+\); whose it is takes CAP_SYS_ADMIN to tell`},
		{"detach -i far", `missing privilege: CAP_SYS_ADMIN`},
		{"doctor -i far", `xdpeel would not run on far as asked`},
	} {
		said := w.spawn(t, unprivileged(t, basicCapabilities, binary, strings.Fields(test.line)...)).refusal()
		if !regexp.MustCompile("^xdpeel: error: " + test.want).MatchString(said) {
			t.Errorf("%s: said %q, want %q", test.line, said, test.want)
		}
	}
}
