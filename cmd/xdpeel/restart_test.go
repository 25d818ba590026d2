package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// newPins mounts a bpffs of the test's own; what is pinned there goes with it.
func newPins(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	labtest.Mount(t, "bpf", dir, "bpf", "")
	return filepath.Join(dir, "xdpeel")
}

const keptConfig = `
interfaces: [far]
http: 127.0.0.1:0
pins: PINS
sessions: [{vni: any}]
outputs:
  ids: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, netns: NETNS}
  all: {type: pcapng, path: DIR/all.pcapng}
  packed: {type: pcapng, path: DIR/packed.pcapng.zst, sample: {one_in: 3, by: packet}}
`

// writeKept writes keptConfig with outputs in dir, and returns its path.
func (c *consumer) writeKept(t *testing.T, dir, pins string) string {
	t.Helper()
	path := filepath.Join(dir, "xdpeel.yaml")
	text := strings.NewReplacer("PINS", pins, "NETNS", c.Name(), "DIR", dir).Replace(keptConfig)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// detach takes away what daemons have left on the far end.
func (w *wire) detach(binary, pins string) {
	exec.Command("ip", "netns", "exec", w.far.Namespace.Name(), binary, "detach", "-i", "far", "--pins", pins).Run()
}

// process is a daemon as a process of its own, that may be killed.
type process struct {
	*running
	cmd *exec.Cmd
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

func (w *wire) startProcess(t *testing.T, binary, path string) *process {
	t.Helper()
	p := &process{&running{t: t, stderr: new(lab.Transcript)}, exec.Command(binary, "run", "--config", path, "--ledger", ledgerOf(path))}
	p.cmd.Stderr = p.stderr
	if err := w.far.Namespace.Start(p.cmd); err != nil {
		t.Fatal(err)
	}
	p.await("msg=running")
	return p
}

func (p *process) end(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil && signal == syscall.SIGTERM {
		p.t.Errorf("%v; said %s", err, p.stderr)
	}
}

// asked is the daemon to be asked for its pages.
func (p *process) asked(w *wire) *runningDaemon {
	p.await("msg=listening")
	return &runningDaemon{running: p.running, wire: w, url: regexp.MustCompile(`http=(http://\S+)`).FindStringSubmatch(p.stderr.String())[1]}
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

// numbers sends packets that are numbered from 0 until it is told to stop, and
// returns how many there were.
type numbers struct {
	stop chan struct{}
	done sync.WaitGroup
	sent uint64
}

var (
	numberedFrom = frames.Peer{MAC: frames.MAC{2, 1}, Address: lab.Conversation()[0].Packet.Session.Source, Port: 1}
	numberedTo   = frames.Peer{MAC: frames.MAC{2, 2}, Address: lab.Target, Port: 2}
)

func numbered(n uint64) []byte {
	return frames.UDPFrame(numberedFrom, numberedTo, binary.BigEndian.AppendUint64(nil, n))
}

func numberOf(frame []byte) uint64 { return binary.BigEndian.Uint64(frame[len(frame)-8:]) }

func (w *wire) sendNumbers(t *testing.T) *numbers {
	t.Helper()
	n := &numbers{stop: make(chan struct{})}
	sender, err := lab.OpenSender(w.near.Namespace, w.near.Name)
	if err != nil {
		t.Fatal(err)
	}
	n.done.Go(func() {
		defer sender.Close()
		for {
			select {
			case <-n.stop:
				return
			default:
			}
			if err := sender.Send(frames.Wrap(numbered(n.sent), 7, numberedFrom.Address, lab.Target)); err != nil {
				t.Error(err)
				return
			}
			n.sent++
			time.Sleep(100 * time.Microsecond)
		}
	})
	return n
}

func (n *numbers) end() uint64 {
	close(n.stop)
	n.done.Wait()
	return n.sent
}

// Daemons come and go under load, some in order and some killed. The kernel's way
// to the consumer never stops: each packet comes out there, once and in order. What
// a daemon in order leaves in the rings the next one writes; none stands twice. Each
// that is in no file was in the hands of a daemon that was killed, and is counted so.
func TestRestarts(t *testing.T) {
	rounds := 6
	if more, err := strconv.Atoi(os.Getenv("XDPEEL_RESTARTS")); err == nil {
		rounds = more
	}
	for _, test := range []struct {
		name    string
		signals []syscall.Signal // in turn
	}{{"SIGTERM", []syscall.Signal{syscall.SIGTERM}}, {"SIGKILL too", []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}}} {
		t.Run(test.name, func(t *testing.T) {
			w, c, pins, dir, binary := newWire(t), newConsumer(t), newPins(t), t.TempDir(), buildBinary(t)
			path := c.writeKept(t, dir, pins)
			daemon := w.startProcess(t, binary, path)
			defer w.detach(binary, pins)
			c.listen(t, "xdpeel0-ids")
			load := w.sendNumbers(t)
			received := make(chan uint64, 1)
			go func() { received <- c.countNumbers(t) }()
			for round := range rounds {
				if rand.IntN(4) > 0 { // else it may not even have begun to read
					daemon.await("msg=listening")
				}
				time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
				daemon.end(test.signals[round%len(test.signals)])
				time.Sleep(20 * time.Millisecond)
				daemon = w.startProcess(t, binary, path)
				if said := daemon.stderr.String(); !strings.Contains(said, "taken over") {
					t.Fatalf("round %d: nothing is taken over: %s", round, said)
				}
			}
			sent := load.end()
			daemon.awaitRead(t, w, sent)
			daemon.end(syscall.SIGTERM)
			if got := <-received; got != sent {
				t.Errorf("%d packets came to the consumer, %d were sent", got, sent)
			}
			ledger := lastLedger(t, path)
			for _, name := range []string{"all", "packed"} {
				killed := checkWritten(t, ledger.Outputs[name], sent, filepath.Join(dir, name+"*.pcapng*"))
				if killed > 0 && len(test.signals) == 1 {
					t.Errorf("%q: %d of %d packets are in no file", name, killed, sent)
				}
				t.Logf("%q: %d restarts, %d packets, %d killed", name, rounds, sent, killed)
			}
			ids := fmt.Sprintf("output \"ids\": %d offered, %[1]d delivered, none lost\n", sent)
			if said := daemon.stderr.String(); !strings.Contains(said, ids) {
				t.Errorf("the last daemon said %s, want %q: its counters go on", said, ids)
			}
		})
	}
}

// checkWritten compares an output's account with its files, and returns how many packets
// killed daemons had in hand.
func checkWritten(t *testing.T, account *mirror.OutputAccount, sent uint64, pattern string) uint64 {
	t.Helper()
	written := writtenNumbers(t, pattern)
	for n, times := range written {
		if times > 1 {
			t.Fatalf("packet %d stands %d times in %s", n, times, pattern)
		}
	}
	sampledOut, killed := account.Lost[mirror.LossSampledOut], account.Lost[mirror.LossKilled]
	if account.Offered != sent || account.Delivered != uint64(len(written)) || account.Delivered+sampledOut+killed != sent {
		t.Errorf("%d packets sent and %d in %s; account %+v", sent, len(written), pattern, account)
	}
	return killed
}

// countNumbers receives numbered frames until none comes, and fails unless they
// are all there, in order.
func (c *consumer) countNumbers(t *testing.T) (next uint64) {
	for {
		frame, err := c.receiver.Receive(time.Now().Add(2 * time.Second))
		if err != nil {
			return next
		}
		if n := numberOf(frame); n != next {
			t.Errorf("packet %d came to the consumer, want %d", n, next)
			return next
		}
		next++
	}
}

// writtenNumbers counts the numbered packets in capture files.
func writtenNumbers(t *testing.T, pattern string) map[uint64]int {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[uint64]int)
	for _, path := range paths {
		for _, frame := range readWhole(t, unpacked(t, path)) {
			count[numberOf(frame)]++
		}
	}
	return count
}

// An output that is gone, and whose slot another has, is told of by the next daemon too.
func TestRestartKeepsAccountsOfGoneOutputs(t *testing.T) {
	w, pins, dir, binary := newWire(t), newPins(t), t.TempDir(), buildBinary(t)
	path := filepath.Join(dir, "xdpeel.yaml")
	write := func(name string) {
		t.Helper()
		text := "interfaces: [far]\nhttp: 127.0.0.1:9478\npins: " + pins + "\nsessions: [{vni: any}]\n" +
			"outputs: {" + name + ": {type: pcapng, path: " + filepath.Join(dir, name) + ".pcapng}}\n"
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	daemon := w.startProcess(t, binary, path)
	defer w.detach(binary, pins)
	d := &runningDaemon{running: daemon.running, wire: w, url: "http://127.0.0.1:9478"}
	daemon.await("msg=listening")
	outer, inner := conversation()
	w.send(t, outer...)
	labtest.Eventually(t, "packets are delivered", func() bool { return d.statusLedger(t).Outputs["first"].Delivered == uint64(len(inner)) })
	for i, name := range []string{"second", "third", "fourth"} {
		write(name)
		if err := daemon.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		labtest.Eventually(t, "reload", func() bool { return strings.Count(daemon.stderr.String(), "configuration reloaded") == i+1 })
		time.Sleep(2 * checkInterval) // in which the slot of the one before gets free
	}
	daemon.end(syscall.SIGTERM)
	daemon = w.startProcess(t, binary, path)
	daemon.await("msg=listening")
	d.running = daemon.running
	if got := d.statusLedger(t).Outputs["first"]; got.Offered != uint64(len(inner)) || got.Delivered != got.Offered {
		t.Errorf("account of the output that is gone: %+v, want %d delivered", got, len(inner))
	}
	daemon.end(syscall.SIGTERM)
}
