package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// buildOther builds xdpeel with a map of another form: the program counts there in
// four bytes of eight.
func buildOther(t *testing.T) string {
	t.Helper()
	bindings, err := filepath.Abs("../../bpf/xdpeel_bpfel.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(bindings)
	if err != nil {
		t.Fatal(err)
	}
	const loaded = "\n\treturn spec, err\n"
	if strings.Count(string(source), loaded) != 1 {
		t.Fatalf("%s does not return the spec in one place", bindings)
	}
	const changed = "\n\tif err == nil {\n\t\tm := spec.Maps[XdpeelMapAccountsGiven]\n\t\tm.ValueSize, m.Key, m.Value = 8, nil, nil\n\t}" + loaded
	dir := t.TempDir()
	replacement, binary := filepath.Join(dir, "bindings.go"), filepath.Join(dir, "xdpeel")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {bindings: replacement}})
	if err == nil {
		err = errors.Join(os.WriteFile(replacement, []byte(strings.Replace(string(source), loaded, changed, 1)), 0o644),
			os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with another map: %v: %s", err, said)
	}
	return binary
}

var packetsLeft = regexp.MustCompile(`packets_left=(\d+)`)

// Two builds of different maps follow each other under load. The consumer gets every
// packet once and in order; each of the others is in a file, or is counted as left in
// the rings of the other build.
func TestUpgrade(t *testing.T) {
	w, c, pins := newWire(t), newConsumer(t), newPins(t)
	binaries := []string{buildBinary(t), buildOther(t)}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !t.Run(signal.String(), func(t *testing.T) { w.upgrade(t, c, binaries, pins, signal) }) {
			return
		}
	}
}

func (w *wire) upgrade(t *testing.T, c *consumer, binaries []string, pins string, signal syscall.Signal) {
	dir := t.TempDir()
	path := c.writeKept(t, dir, pins)
	daemon := w.spawnDaemon(t, binaries[0], path)
	defer w.detach(t, "--pins", pins)
	c.listen(t, "xdpeel0-ids")
	load := w.sendNumbers(t)
	received := make(chan uint64, 1)
	go func() { received <- c.countNumbers(t) }()
	left := uint64(0)
	for round := range 4 {
		time.Sleep(50 * time.Millisecond)
		daemon.end(signal)
		time.Sleep(20 * time.Millisecond) // in which packets come into its rings
		daemon = w.spawnDaemon(t, binaries[(round+1)%2], path)
		said := packetsLeft.FindStringSubmatch(daemon.stderr.String())
		if said == nil {
			t.Fatalf("round %d: nothing is taken over from the other build: %s", round, daemon.stderr)
		}
		n, _ := strconv.ParseUint(said[1], 10, 64)
		left += n
	}
	sent := load.end()
	if got := <-received; got != sent { // after two seconds without any
		t.Errorf("%d packets came to the consumer, %d were sent", got, sent)
	}
	if d := daemon.asked(w); signal == syscall.SIGTERM { // offered, less what was left behind, is what was delivered
		labtest.Eventually(t, "the sums hold", func() bool {
			ledger, _, err := readStatus([]byte(d.status(t, "--json")))
			return err == nil && checkOffered(path, ledger) == nil
		})
	}
	daemon.end(syscall.SIGTERM)
	if said := daemon.stderr.String(); !strings.Contains(said, string(mirror.LossLeftBehind)) {
		t.Errorf("no output has lost what was left behind: %s", said)
	}
	written := writtenNumbers(t, filepath.Join(dir, "all*.pcapng"))
	for n, times := range written {
		if times > 1 {
			t.Fatalf("packet %d stands %d times in the files", n, times)
		}
	}
	found := uint64(len(written))
	t.Logf("%d packets, %d in files, %d left in rings", sent, found, left)
	if left == 0 || found+left > sent || signal == syscall.SIGTERM && found+left != sent {
		t.Errorf("%d packets sent, %d in files and %d left in rings", sent, found, left)
	}
}
