package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A message that comes too often is kept back, for each part by itself, and the next
// one that is logged tells how many were.
func TestTemperedLog(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	log, err := (&logFlags{format: "json", level: slog.LevelWarn}).logger(&said)
	if err != nil {
		t.Fatal(err)
	}
	archive, ids := log.With("output", "archive"), log.With("output", "ids")
	for range logBurst + 5 {
		archive.Error("no", "error", errors.New("disk"))
		archive.Info("below the level")
	}
	ids.Error("no")
	if n := strings.Count(said.String(), `"output":"archive"`); n != logBurst {
		t.Errorf("%d records, want %d", n, logBurst)
	}
	if !strings.Contains(said.String(), `"output":"ids"`) || strings.Contains(said.String(), "below") {
		t.Errorf("said %s", &said)
	}
	said.Reset()
	record := slog.NewRecord(time.Now().Add(2*logInterval), slog.LevelError, "no", 0)
	if err := archive.Handler().Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), `"kept_back":5`) {
		t.Errorf("said %s, want that 5 were kept back", &said)
	}
}

// Every warning and every error of the daemon says what to do.
func TestLogsHint(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`(?s)\.log\.(Warn|Error)\(.*?\)\n`)
	calls := 0
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range call.FindAllString(string(text), -1) {
			calls++
			if !strings.Contains(line, `"hint", `) {
				t.Errorf("%s: no hint in %s", path, line)
			}
		}
	}
	if calls == 0 {
		t.Error("there are none: logs are written in another way")
	}
}
