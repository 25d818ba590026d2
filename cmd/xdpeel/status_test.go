package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What is wrong comes first, and the busiest sessions before the others.
func TestStatusText(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "status.json"))
	if err != nil {
		t.Fatal(err)
	}
	ledger, state, err := readStatus(text)
	if err != nil {
		t.Fatal(err)
	}
	// Local times depend on the machine; the golden file has those of UTC.
	state.Config.LoadedAt = inLocal(state.Config.LoadedAt)
	state.Config.LastReload.At = inLocal(state.Config.LastReload.At)
	var said strings.Builder
	printStatus(&said, ledger, state, time.Date(2026, 3, 4, 5, 6, 37, 0, time.UTC))
	checkGolden(t, "status.txt", said.String())
}

// inLocal is the local time whose clock shows what t's does.
func inLocal(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.Local)
}

func TestStatusOfSomethingElse(t *testing.T) {
	if _, _, err := readStatus([]byte("<html>")); err == nil {
		t.Error("a page that is no status is understood")
	}
}

func TestStatusWithoutDaemon(t *testing.T) {
	env := &environment{dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }}
	var stderr strings.Builder
	env.stdout, env.stderr = io.Discard, &stderr
	status := execute(t.Context(), env, []string{"status"})
	const hint = "xdpeel: hint: is `xdpeel run` running on this host? --url names another address\n"
	if said := stderr.String(); status != 1 || !strings.Contains(said, "connection refused") || !strings.HasSuffix(said, hint) {
		t.Errorf("status %d, said %q; want 1, the reason and %q", status, said, hint)
	}
}
