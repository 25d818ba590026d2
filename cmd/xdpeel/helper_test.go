package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// helped is a daemon as a process of its own, with its helper.
type helped struct {
	*runningDaemon
	process *process
	helper  int // its process ID
	pins    string
	text    string // of the configuration, before its outputs
}

const helpedVeth = "{type: veth, interface: xdpeel%d, peer: xdpeel%d-ids, netns: %s}"

// runHelped starts a daemon that keeps what it has, with these outputs.
func (w *wire) runHelped(t *testing.T, outputs ...string) *helped {
	t.Helper()
	return w.runHelpedOn(t, "far", outputs...)
}

// runHelpedOn is runHelped on other interfaces.
func (w *wire) runHelpedOn(t *testing.T, interfaces string, outputs ...string) *helped {
	t.Helper()
	d := &helped{runningDaemon: &runningDaemon{wire: w, dir: t.TempDir()}, pins: newPins(t)}
	d.text = "interfaces: [" + interfaces + "]\nhttp: 127.0.0.1:0\npins: " + d.pins + "\nsessions: [{vni: any}]\noutputs:\n"
	d.configure(t, outputs...)
	d.restart(t)
	return d
}

func (d *helped) configure(t *testing.T, outputs ...string) {
	t.Helper()
	d.write(t, d.text+"  "+strings.Join(outputs, "\n  ")+"\n")
}

// restart starts the daemon and looks at the privileges of both processes.
func (d *helped) restart(t *testing.T) {
	t.Helper()
	d.process = d.wire.spawnDaemon(t, buildBinary(t), d.path("xdpeel.yaml"))
	d.running = d.process.running
	d.await("msg=listening")
	d.url = d.at("http")
	d.helper = childOf(t, d.process.cmd.Process.Pid)
	d.checkPrivileges(t)
}

func (d *helped) checkPrivileges(t *testing.T) {
	t.Helper()
	checkPrivileges(t, d.process.cmd.Process.Pid, fileCapabilities)
	checkPrivileges(t, d.helper, helperCapabilities)
}

// hangup has the daemon read its configuration, and returns when it has said the words.
func (d *helped) hangup(t *testing.T, words string) {
	t.Helper()
	before := strings.Count(d.stderr.String(), words)
	d.process.signal(syscall.SIGHUP)
	labtest.Eventually(t, "daemon says "+words, func() bool { return strings.Count(d.stderr.String(), words) > before })
}

// feeds sends a conversation, which a consumer receives.
func (d *helped) feeds(t *testing.T, c *consumer) {
	t.Helper()
	outer, inner := conversation()
	d.wire.send(t, outer...)
	c.expect(t, inner)
}

// helperCapabilities are those that the helper of a daemon of root's keeps.
const helperCapabilities = 1<<unix.CAP_BPF | 1<<unix.CAP_PERFMON | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_ADMIN

// A consumer's veth is fed, made anew, exchanged for another by a reload, and joined by
// the first output of type afpacket, while the daemon has no capabilities.
func TestRunVethWithoutPrivileges(t *testing.T) {
	w, first, second := newWire(t), newConsumer(t), newConsumer(t)
	sensor := newTap(t, w)
	d := w.runHelped(t, "all: {type: pcapng, path: DIR/all.pcapng}")
	d.configure(t, "all: {type: pcapng, path: DIR/all.pcapng}", "ids: "+fmt.Sprintf(helpedVeth, 0, 0, first.Name()))
	d.hangup(t, "configuration reloaded")
	first.listen(t, "xdpeel0-ids")
	d.feeds(t, first)
	if out, err := exec.Command("ip", "-n", first.Name(), "link", "del", "xdpeel0-ids").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	labtest.Eventually(t, "the veth is made anew", func() bool { return strings.Count(d.stderr.String(), "consumer's end receives") == 2 })
	first.listen(t, "xdpeel0-ids")
	d.feeds(t, first)
	d.checkPrivileges(t)

	d.configure(t, "second: "+fmt.Sprintf(helpedVeth, 1, 1, second.Name()), "tap: {type: afpacket, interface: tap}")
	d.hangup(t, "configuration reloaded")
	labtest.Eventually(t, "the first veth is removed", func() bool {
		return exec.Command("ip", "-n", first.Name(), "link", "show", "xdpeel0-ids").Run() != nil
	})
	second.listen(t, "xdpeel1-ids")
	d.feeds(t, second)
	_, inner := conversation()
	received(t, sensor, len(inner))
	d.checkPrivileges(t)
	outputs := d.statusLedger(t).Outputs
	for name, want := range map[string]int{"all": 2, "ids": 2, "second": 1, "tap": 1} {
		if got := outputs[name]; got.Offered != uint64(want*len(inner)) || got.Delivered != got.Offered {
			t.Errorf("output %s: %+v, want %d times %d", name, got, want, len(inner))
		}
	}
	d.process.end(syscall.SIGTERM)
	d.detach(t)
}

// A helper that is killed is said to be gone, in the log, the status and the metrics;
// packets go on, and a restart takes the veth over. A daemon that is killed takes its
// helper with it, and nothing that is pinned.
func TestHelperKilled(t *testing.T) {
	w, c := newWire(t), newConsumer(t)
	d := w.runHelped(t, "ids: "+fmt.Sprintf(helpedVeth, 0, 0, c.Name()))
	c.listen(t, "xdpeel0-ids")
	d.feeds(t, c)
	if err := syscall.Kill(d.helper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.await("the helper is gone: no reload can succeed, and no veth be made anew; packets go on")
	d.await("hint=\"restart xdpeel: its helper was killed")
	d.hangup(t, "the one before stays in effect")
	d.feeds(t, c)
	if _, metrics := d.get(t, "/metrics"); !strings.Contains(metrics, "xdpeel_helper_running 0\n") {
		t.Error("the metrics have a helper")
	}
	if said := d.status(t); !strings.Contains(said, "HELPER GONE") {
		t.Errorf("xdpeel status says %s", said)
	}
	if n := strings.Count(d.stderr.String(), "the helper is gone: no reload"); n != 1 {
		t.Errorf("that the helper is gone is said %d times", n)
	}
	d.process.end(syscall.SIGTERM)
	d.feeds(t, c)
	d.restart(t)
	if !strings.Contains(d.stderr.String(), "taken over") {
		t.Errorf("nothing is taken over: %s", d.stderr)
	}
	d.feeds(t, c)
	d.process.end(syscall.SIGKILL)
	labtest.Eventually(t, "the helper ends with its daemon", func() bool { return isGone(d.helper) })
	d.feeds(t, c)
	d.detach(t)
}

// isGone says whether a process has ended, if nobody has waited for it yet.
func isGone(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err != nil || regexp.MustCompile(`(?m)^State:\s+Z`).Match(status)
}

func (d *helped) detach(t *testing.T) {
	t.Helper()
	d.wire.detach(t, "--pins", d.pins)
}

// An output that takes a capability which the daemon was not given is refused in one
// sentence, at start and, by the helper, in a reload.
func TestOutputPrivileges(t *testing.T) {
	w, c := newWire(t), newConsumer(t)
	newTap(t, w)
	for output, missing := range map[string]uintptr{
		fmt.Sprintf(helpedVeth, 0, 0, c.Name()): unix.CAP_SYS_ADMIN,
		"{type: afpacket, interface: tap}":      unix.CAP_NET_RAW,
	} {
		t.Run(capabilityNames[missing], func(t *testing.T) { w.refuseOutput(t, output, missing) })
	}
}

func (w *wire) refuseOutput(t *testing.T, output string, missing uintptr) {
	name := capabilityNames[missing]
	wanted := daemonConfig("sessions: [{vni: any}]\noutputs: {x: " + output + "}\n")
	sentence := "open output \"x\": missing privilege: " + name
	hint := fmt.Sprintf("run it as root, or grant all that it needs: setcap cap_bpf,cap_perfmon,cap_net_admin,%s+ep $(command -v xdpeel)", strings.ToLower(name))
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.write(t, wanted)
	if said := d.spawnUnprivileged(t, basicCapabilities).refusal(); said != "xdpeel: error: "+sentence+"\nxdpeel: hint: "+hint+"\n" {
		t.Errorf("at start: said %s", said)
	}
	for _, capabilities := range [][]uintptr{basicCapabilities, append(slices.Clone(basicCapabilities), missing)} {
		d.write(t, daemonConfig(everything))
		p := d.spawnUnprivileged(t, capabilities)
		p.await("msg=listening")
		d.write(t, wanted)
		p.signal(syscall.SIGHUP)
		if len(capabilities) == len(basicCapabilities) {
			p.await(strings.ReplaceAll(sentence, `"`, `\"`))
			p.await(hint)
		} else {
			p.await("configuration reloaded")
		}
		checkPrivileges(t, p.cmd.Process.Pid, 0)
		p.end(syscall.SIGTERM)
	}
}

// A veth of several queues takes no capability more than one of one.
func TestQueuesPrivileges(t *testing.T) {
	w := newWire(t)
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.write(t, daemonConfig("sessions: [{vni: any}]\noutputs: {ids: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, queues: 2}}\n"))
	p := d.spawnUnprivileged(t, basicCapabilities)
	d = p.asked(w)
	outer, inner := conversation()
	w.send(t, outer...)
	labtest.Eventually(t, "all is delivered", func() bool { return d.statusLedger(t).Outputs["ids"].Delivered == uint64(len(inner)) })
	p.end(syscall.SIGTERM)
}
