package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// storm is a daemon to which one thing happens after the other, chosen by a seed,
// while numbered packets are mirrored to it.
type storm struct {
	t      *testing.T
	rand   *rand.Rand
	begun  time.Time
	log    []string
	wire   *wire
	ids    *consumer
	group  *memoryGroup
	binary string
	dir    string // of the configuration and the socket
	disk   string // of the files
	bpffs  string // in which the pins are
	source *stormSource
	reader *stormListener // nil: nobody reads the veth
	tap    stormTap
	steps  clockSteps
	events []stormEvent

	daemon *process
	before *process // the daemon before; nil: there was none
	shape  stormShape
	open   map[string]func() // troubles that have begun, and how each ends
	last   *mirror.Ledger    // the reading before; nil: of this count there was none
	past   []*mirror.Ledger  // those of daemons whose counters could not be taken over
	kills  int
	back   time.Duration
	peak   int64 // the most memory that a daemon had, in bytes
	seen   kernelObjects
}

// A daemon through which a storm goes loses nothing uncounted, counts nothing twice,
// and holds in the end what a new one holds.
func TestFaultStorm(t *testing.T) {
	duration, seed := 10*time.Second, uint64(1)
	if text := os.Getenv("SOAK_DURATION"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("SOAK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	s := newStorm(t, seed)
	for _, event := range s.events[len(stormEvents):] { // each of the machine's at least once
		s.happen(event)
	}
	for s.elapsed() < duration {
		s.step()
	}
	s.checkEnd()
}

func newStorm(t *testing.T, seed uint64) *storm {
	t.Helper()
	s := &storm{
		t: t, rand: rand.New(rand.NewPCG(seed, 0)), wire: newWire(t), ids: newConsumer(t), group: newMemoryGroup(t),
		dir: t.TempDir(), disk: t.TempDir(), binary: buildBinary(t),
		begun: time.Now(), shape: stormShapes[0], open: make(map[string]func()), seen: make(kernelObjects),
		tap: stormTap{isNew: once()}, events: stormEvents,
	}
	again := "make soak"
	if inGuest(t) {
		s.events = slices.Concat(stormEvents, machineEvents)
		again = "make soak-vm"
		if err := spare(spareMe); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay: %s SOAK_SEED=%d\n%s", again, seed, strings.Join(s.log, "\n"))
			if s.before != nil {
				t.Logf("the last daemon but one said:\n%s", s.before.stderr)
			}
			t.Logf("the last daemon said:\n%s", s.daemon.stderr)
		}
	})
	s.mount("tmpfs", s.disk, diskSize)
	s.bpffs = s.newMountPoint()
	s.mount("bpf", s.bpffs, "")
	s.openTap()
	s.start()
	s.source = s.wire.startSource()
	t.Cleanup(func() {
		s.source.end()
		for _, listener := range []*stormListener{s.reader, s.tap.listener} {
			if listener != nil {
				listener.end(t)
			}
		}
		s.daemon.cmd.Process.Kill() // fails if it has ended
		s.daemon.cmd.Wait()
		s.detach()
	})
	s.listen()
	return s
}

func (s *storm) mount(kind, dir, options string) {
	s.t.Helper()
	if err := unix.Mount(kind, dir, kind, 0, options); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) }) // fails if the storm did it
}

// newMountPoint returns a directory: what is unmounted from it is so in all mount
// namespaces, also in those that somebody else has made meanwhile, as `ip netns exec` does.
func (s *storm) newMountPoint() string {
	s.t.Helper()
	shared := s.t.TempDir()
	s.mount("tmpfs", shared, "")
	if err := unix.Mount("", shared, "", unix.MS_SHARED, ""); err != nil {
		s.t.Fatal(err)
	}
	dir := filepath.Join(shared, "bpf")
	if err := os.Mkdir(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

func (s *storm) elapsed() time.Duration { return time.Since(s.begun) }

func (s *storm) say(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%8.3f  ", s.elapsed().Seconds())+fmt.Sprintf(format, args...))
}

// step has the next thing happen. What happens depends on the seed alone.
func (s *storm) step() {
	s.t.Helper()
	total := 0
	for _, event := range s.events {
		total += event.weight
	}
	n := s.rand.IntN(total)
	i := slices.IndexFunc(s.events, func(e stormEvent) bool { n -= e.weight; return n < 0 })
	s.happen(s.events[i])
}

func (s *storm) happen(event stormEvent) {
	s.t.Helper()
	s.say("%s", event.name)
	event.do(s)
	s.look()
	time.Sleep(s.some(300 * time.Millisecond))
}

// some is a time up to a longest.
func (s *storm) some(most time.Duration) time.Duration {
	return time.Duration(s.rand.Int64N(int64(most)))
}

func (s *storm) pins() string { return filepath.Join(s.bpffs, "xdpeel") }

func (s *storm) path(name string) string { return filepath.Join(s.dir, name) }

// write writes the configuration of a shape, or another text in its place.
func (s *storm) write(text string) {
	s.t.Helper()
	text = strings.NewReplacer("PINS", s.pins(), "NETNS", s.ids.Name(), "DIR", s.dir, "DISK", s.disk).Replace(text)
	if err := os.WriteFile(s.path("xdpeel.yaml"), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// launch starts a daemon and does not wait for it.
func (s *storm) launch() *process {
	s.t.Helper()
	s.write(s.shape.text())
	return s.wire.spawn(s.t, s.group.enter(s.binary, "run", "--config", s.path("xdpeel.yaml"), "--ledger", s.path("ledger.json")))
}

// start starts a daemon, and sees that it goes on where the one before was.
func (s *storm) start() {
	s.t.Helper()
	s.before, s.daemon = s.daemon, s.launch()
	s.daemon.await("msg=listening")
	if took := strings.Contains(s.daemon.stderr.String(), "are taken over"); took != (s.last != nil) {
		s.t.Fatalf("takes over %v, want %v", took, s.last != nil)
	}
}

// end ends the daemon.
func (s *storm) end(signal syscall.Signal) {
	s.t.Helper()
	s.look()
	if err := s.daemon.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	err := s.daemon.cmd.Wait()
	full := s.open["disk full or not"] != nil && strings.Contains(s.daemon.stderr.String(), "no space left") // where the last packets did not fit
	if err != nil && signal == syscall.SIGTERM && !full {
		s.t.Errorf("%v; said %s", err, s.daemon.stderr)
	}
	if signal == syscall.SIGKILL {
		s.kills++
	}
}

// pages asks the daemon, from outside its namespace.
func (s *storm) pages() *runningDaemon {
	return &runningDaemon{running: s.daemon.running, wire: s.wire, url: "http://127.0.0.1:9478"}
}

// status is what the daemon says of itself.
func (s *storm) status() (*mirror.Ledger, *daemonForm) {
	s.t.Helper()
	ledger, state, err := readStatus([]byte(s.pages().status(s.t, "--json")))
	if err != nil {
		s.t.Fatal(err)
	}
	return ledger, state
}

// rest has nothing sent, and returns the ledger when nothing moves any more.
func (s *storm) rest() (ledger *mirror.Ledger) {
	s.t.Helper()
	s.source.pause(s.t)
	same, before := 0, ""
	labtest.Eventually(s.t, "all comes to rest", func() bool {
		time.Sleep(50 * time.Millisecond)
		ledger, _ = s.status()
		now := accountsText(ledger)
		if same++; now != before {
			same, before = 0, now
		}
		return same == 3
	})
	if err := checkSums(ledger); err != nil {
		s.t.Error(err)
	}
	s.say("  at rest: %d sent, %d of them while the wire had trouble, %d received", s.source.sent, s.source.atRisk, ledger.Received)
	return ledger
}

// calm ends all troubles, and waits until the daemon has nothing to complain of.
func (s *storm) calm() {
	s.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.open)) {
		s.say("  %s: ends", name)
		s.open[name]()
		delete(s.open, name)
	}
	s.awaitReady()
}

func (s *storm) awaitReady() {
	s.t.Helper()
	text := ""
	for deadline := time.Now().Add(labtest.Patience); ; time.Sleep(10 * time.Millisecond) {
		status := 0
		if status, text = s.pages().get(s.t, "/readyz"); status == 200 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not ready: %s", text)
		}
	}
}

// missedAtUp is how many packets a consumer may miss each time that its interface comes up.
const missedAtUp = 100

// listen has a consumer read the veth, and hush ends that: what it got is what was
// delivered meanwhile.
func (s *storm) listen() {
	s.t.Helper()
	s.calm()
	before := s.rest().Outputs["ids"].Delivered
	s.reader = listenStorm(s.t, s.ids.Namespace, "xdpeel0-ids", ascending())
	s.reader.before = before
	s.source.resume()
}

func (s *storm) hush() {
	s.t.Helper()
	s.calm()
	delivered := s.rest().Outputs["ids"].Delivered - s.reader.before
	// What the kernel gets before its socket is told that the interface is up goes by it.
	if got := s.reader.end(s.t); got > delivered || got+uint64(s.reader.shaken)*missedAtUp < delivered {
		s.t.Errorf("the consumer got %d packets, %d were delivered", got, delivered)
	}
	s.reader = nil
	s.source.resume()
}
