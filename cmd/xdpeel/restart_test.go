package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

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
		t.Run(test.name, func(t *testing.T) { newWire(t).restart(t, rounds, test.signals) })
	}
}

func (w *wire) restart(t *testing.T, rounds int, signals []syscall.Signal) {
	c, pins, dir, binary := newConsumer(t), newPins(t), t.TempDir(), buildBinary(t)
	path := c.writeKept(t, dir, pins)
	daemon := w.spawnDaemon(t, binary, path)
	defer w.detach(t, "--pins", pins)
	c.listen(t, "xdpeel0-ids")
	load := w.sendNumbers(t)
	received := make(chan uint64, 1)
	go func() { received <- c.countNumbers(t) }()
	for round := range rounds {
		if rand.IntN(4) > 0 { // else it may not even have begun to read
			daemon.await("msg=listening")
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		daemon.end(signals[round%len(signals)])
		time.Sleep(20 * time.Millisecond)
		daemon = w.spawnDaemon(t, binary, path)
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
		if killed > 0 && !slices.Contains(signals, syscall.SIGKILL) {
			t.Errorf("%q: %d of %d packets are in no file", name, killed, sent)
		}
		t.Logf("%q: %d restarts, %d packets, %d killed", name, rounds, sent, killed)
	}
	ids := fmt.Sprintf("output \"ids\": %d offered, %[1]d delivered, none lost\n", sent)
	if said := daemon.stderr.String(); !strings.Contains(said, ids) {
		t.Errorf("the last daemon said %s, want %q: its counters go on", said, ids)
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
	daemon := w.spawnDaemon(t, binary, path)
	defer w.detach(t, "--pins", pins)
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
	daemon = w.spawnDaemon(t, binary, path)
	daemon.await("msg=listening")
	d.running = daemon.running
	if got := d.statusLedger(t).Outputs["first"]; got.Offered != uint64(len(inner)) || got.Delivered != got.Offered {
		t.Errorf("account of the output that is gone: %+v, want %d delivered", got, len(inner))
	}
	daemon.end(syscall.SIGTERM)
}
