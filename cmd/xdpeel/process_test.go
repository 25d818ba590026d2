package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// process is a command line in a process of its own, that may be killed.
type process struct {
	*running
	cmd *exec.Cmd
}

// spawn starts a process at the far end. It is killed with the test at the latest.
func (w *wire) spawn(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{&running{t: t, stderr: new(lab.Transcript)}, cmd}
	cmd.Stderr = p.stderr
	if err := w.far.Namespace.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // fails if it has ended
		cmd.Wait()
	})
	return p
}

// spawnDaemon starts `xdpeel run` by the configuration at a path, and returns when it
// runs.
func (w *wire) spawnDaemon(t *testing.T, binary, path string) *process {
	t.Helper()
	p := w.spawn(t, exec.Command(binary, "run", "--config", path, "--ledger", ledgerOf(path)))
	p.await("msg=running")
	return p
}

func (p *process) signal(signal os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// end ends it by a signal; by SIGTERM it must end in order.
func (p *process) end(signal syscall.Signal) {
	p.t.Helper()
	p.signal(signal)
	if err := p.cmd.Wait(); err != nil && signal == syscall.SIGTERM {
		p.t.Errorf("%v; said %s", err, p.stderr)
	}
}

// refusal waits for it to fail by itself, and returns what it said.
func (p *process) refusal() string {
	p.t.Helper()
	if err := p.cmd.Wait(); p.cmd.ProcessState.ExitCode() != 1 {
		p.t.Errorf("%v, want exit status 1; said %s", err, p.stderr)
	}
	return p.stderr.String()
}

// ledgerOf is where a daemon that is ended in order leaves its ledger.
func ledgerOf(path string) string { return path + ".ledger" }

// lastLedger is what the last daemon left that was ended in order; its sums must hold.
func lastLedger(t *testing.T, path string) *mirror.Ledger {
	t.Helper()
	text, err := os.ReadFile(ledgerOf(path))
	if err != nil {
		t.Fatal(err)
	}
	ledger, _, err := readStatus(text)
	if err == nil {
		err = checkSums(ledger)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ledger
}

// asked is the daemon to be asked for its pages.
func (p *process) asked(w *wire) *runningDaemon {
	p.await("msg=listening")
	return &runningDaemon{running: p.running, wire: w, url: p.at("http")}
}

// awaitRead returns once the daemon and those before have read so many packets.
func (p *process) awaitRead(t *testing.T, w *wire, packets uint64) {
	t.Helper()
	d := p.asked(w)
	labtest.Eventually(t, "the rings are read", func() bool {
		outputs := d.statusLedger(t).Outputs
		return outputs["all"].Offered == packets && outputs["packed"].Offered == packets
	})
}
