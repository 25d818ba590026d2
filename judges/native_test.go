package judges

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNativeDiesOfDefects breaks one line of the program, and wants the host's
// judge to die of it.
func TestNativeDiesOfDefects(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the program four times")
	}
	t.Parallel()
	tests := []struct {
		name, file, right, wrong string
		linear                   int    // of a frame of 40 bytes
		report                   string // a part of it
	}{
		{"behind the first buffer", "frame.h", "+ size <= data_end", "+ size <= data_end + 1", 33, "use-after-poison"},
		{"written to", "frame.h", "__builtin_memcpy(to, __builtin_assume_aligned(data + offset, FRAME_ALIGNMENT), size);", "*(__u8 *)data = 1;", 40, "caused by a WRITE"},
		{"counted twice", "ledger.h", "count->packets++;", "count->packets += 2;", 40, "check.c"},
		{"consumed", "ledger.h", "? XDP_DROP : XDP_PASS", "? XDP_PASS : XDP_DROP", 40, "check.c"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := buildBroken(t, test.file, test.right, test.wrong)
			var report strings.Builder
			native, err := OpenNative(server, &report)
			if err != nil {
				t.Fatal(err)
			}
			frame := egressFrame(7)[:40]
			var judgements Judgements
			err = native.Judge(&Sequence{Options: settings[0], Frames: []Frame{{frame, test.linear}}}, &judgements)
			if err := errors.Join(err, native.Close()); err == nil {
				t.Error("nobody noticed")
			}
			if !strings.Contains(report.String(), test.report) {
				t.Errorf("the report has no %q:\n%s", test.report, &report)
			}
		})
	}
}

// buildBroken builds the server from a copy of the program in which right is
// wrong.
func buildBroken(t *testing.T, file, right, wrong string) string {
	t.Helper()
	from, to := root(t), t.TempDir()
	for _, directory := range []string{"bpf", filepath.Join("judges", "native")} {
		if err := os.CopyFS(filepath.Join(to, directory), os.DirFS(filepath.Join(from, directory))); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(to, "bpf", file)
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), right) {
		t.Fatalf("bpf/%s has no %q to break", file, right)
	}
	if err := os.WriteFile(path, bytes.Replace(source, []byte(right), []byte(wrong), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	return built(t)(BuildServer(to, to, Addresses))
}
