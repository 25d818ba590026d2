package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// manager is a service manager that writes down what it is told.
type manager struct {
	mu    sync.Mutex
	heard []string
}

// newManager has all that this test starts find the manager.
func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "xdpeel") // a socket's path has little room
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); os.RemoveAll(dir) })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "600000")
	m := new(manager)
	go func() {
		for buffer := make([]byte, 4096); ; {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.heard = append(m.heard, string(buffer[:n]))
			m.mu.Unlock()
		}
	}()
	return m
}

// words are the first lines of what the manager has heard, without the watchdog's.
func (m *manager) words() (words []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, text := range m.heard {
		first, _, _ := strings.Cut(text, "\n")
		if first != "WATCHDOG=1" {
			words = append(words, first)
		}
	}
	return words
}

func (m *manager) said(words string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.heard, func(text string) bool { return strings.Contains(text, words) })
}

// The service manager hears when the daemon is ready, reloads, ends, and that it is
// alive meanwhile.
func TestNotify(t *testing.T) {
	m := newManager(t)
	d := newWire(t).run(t, "drain: 2ms\n"+everything)
	labtest.Eventually(t, "ready", func() bool {
		return m.said("READY=1\nSTATUS=auto on far, generation 1: 1 session, 0 filters, 0 rules, 1 output")
	})
	labtest.Eventually(t, "alive", func() bool { return m.said("WATCHDOG=1") })
	d.reload(t, "drain: 1ms\n"+everything, "configuration reloaded")
	labtest.Eventually(t, "ready again", func() bool { return m.said("generation 2") })
	d.reload(t, "nonsense: 1\n", "configuration not reloaded")
	d.stop()
	d.end(0)
	labtest.Eventually(t, "the end", func() bool { return m.said("STOPPING=1") })
	want := []string{"READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"}
	if got := m.words(); !slices.Equal(got, want) {
		t.Errorf("heard %v, want %v", got, want)
	}
	if !m.said("EXTEND_TIMEOUT_USEC=60001000") || !m.said("RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("heard %q", m.heard)
	}
}

// Without a service manager nothing is said, and with one that has gone away nothing
// goes wrong.
func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	t.Setenv("WATCHDOG_USEC", "100")
	t.Setenv("WATCHDOG_PID", "1")
	s := findSupervisor()
	s.ready("x")
	if s.watchdog != 0 {
		t.Error("the watchdog of another process is taken for ours")
	}
	new(supervisor).stopping(0)
}
