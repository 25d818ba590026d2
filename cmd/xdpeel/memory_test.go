package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memoryGroup is a control group with a limit of memory.
type memoryGroup struct{ dir, limitFile string }

func newMemoryGroup(t *testing.T) *memoryGroup {
	t.Helper()
	g := &memoryGroup{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}
	if _, err := os.Stat(g.dir); err != nil {
		g = &memoryGroup{"/sys/fs/cgroup", "memory.max"}
	}
	g.dir = filepath.Join(g.dir, fmt.Sprintf("xdpeel-test-%d", os.Getpid()))
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Skipf("needs to make a control group: %v", err)
	}
	t.Cleanup(func() {
		var err error
		for range 100 { // a process that has ended leaves its group a moment later
			if err = os.Remove(g.dir); err == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error(err)
	})
	if _, err := os.Stat(g.file(g.limitFile)); err != nil {
		t.Skipf("needs the memory controller: %v", err)
	}
	return g
}

func (g *memoryGroup) file(name string) string { return filepath.Join(g.dir, name) }

func (g *memoryGroup) limit(t *testing.T, bytes int64) {
	t.Helper()
	if err := os.WriteFile(g.file(g.limitFile), strconv.AppendInt(nil, bytes, 10), 0); err != nil {
		t.Fatal(err)
	}
}

// A configuration that its control group has no memory for is refused, and one
// that has just enough runs.
func TestRunMemoryLimit(t *testing.T) {
	w := newWire(t)
	group := newMemoryGroup(t)
	dir, binary := t.TempDir(), buildBinary(t)
	path := filepath.Join(dir, "xdpeel.yaml")
	text := strings.ReplaceAll("buffer: 8MiB\n"+daemonConfig(everything), "DIR", dir)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	group.limit(t, 32<<20)
	said := w.spawn(t, group.enter(binary, "run", "--config", path)).refusal()
	needs := regexp.MustCompile(`allows 32 MiB of memory, and this configuration may take (\d+) MiB`).FindStringSubmatch(said)
	if needs == nil || !strings.Contains(said, "hint: allow it more") {
		t.Fatalf("said %q", said)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.pcapng*")); err != nil || len(left) > 0 {
		t.Errorf("%v: left %v behind", err, left)
	}

	mebibytes, _ := strconv.ParseInt(needs[1], 10, 64)
	group.limit(t, mebibytes<<20)
	daemon := w.spawn(t, group.enter(binary, "run", "--config", path))
	daemon.await("msg=listening")
	outer, inner := conversation()
	w.send(t, outer...)
	daemon.signal(os.Interrupt)
	if err := daemon.cmd.Wait(); err != nil || !strings.Contains(daemon.stderr.String(), fmt.Sprintf("%d delivered, none lost", len(inner))) {
		t.Errorf("%v, said %q", err, daemon.stderr)
	}
}
