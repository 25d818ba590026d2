package judges

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/mirror"
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
		{"behind the first buffer", "frame.h", "+ size <= data_end", "+ size <= data_end + 8", 27, "use-after-poison"},
		{"written to", "frame.h", "return __builtin_assume_aligned(data + offset, FRAME_ALIGNMENT);", "return *(__u8 *)data = 1, data + offset;", 40, "caused by a WRITE"},
		{"counted twice", "ledger.h", "count->packets++;", "count->packets += 2;", 40, "check.c"},
		{"consumed", "ledger.h", "default:\n\t\treturn XDP_PASS", "default:\n\t\treturn XDP_DROP", 40, "check.c"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := buildBroken(t, test.file, test.right, test.wrong, Addresses)
			var report strings.Builder
			native, err := openNative(server, &report)
			if err != nil {
				t.Fatal(err)
			}
			s := &sequence{Options: settings[0], Policies: compiled(t, &mirror.Policy{})}
			s.Frames = []frame{{Bytes: egressFrame(7)[:40], Linear: test.linear}}
			var said judgements
			err = native.Judge(s, &said)
			if err := errors.Join(err, native.Close()); err == nil {
				t.Error("nobody noticed")
			}
			if !strings.Contains(report.String(), test.report) {
				t.Errorf("the report has no %q:\n%s", test.report, &report)
			}
		})
	}
}

// TestPanelNoticesDefects breaks the stages that a policy steers, and wants it to
// die or the reference to disagree within some generated sequences.
func TestPanelNoticesDefects(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the program a dozen times")
	}
	t.Parallel()
	tests := []struct{ name, file, right, wrong string }{
		{"port compared off by one", "filter.h", "headers, headers->destination_port,", "headers, headers->destination_port + 1,"},
		{"rules of the other direction", "filter.h", "packet->direction != DIRECTION_EGRESS", "packet->direction != DIRECTION_INGRESS"},
		{"egress rules not tried", "filter.h", "rule == NO_RULE && packet->direction != DIRECTION_INGRESS", "packet->direction == DIRECTION_EGRESS"},
		{"egress rules numbered from 1", "filter.h", "rule += wanted->ingress_rules", "rule += 0"},
		{"rules that reject accept", "filter.h", "is_accepted(policy, filter, rule) ? rule", "true ? rule"},
		{"dense classes without their first group", "rules.h", "common_groups(search->found, 0)", "0"},
		{"half of a sparse class", "rules.h", "i < CLASS_WORDS; i++)\n\t\t\trules", "i < CLASS_WORDS / 2; i++)\n\t\t\trules"},
		{"classes that hold any value", "policy.h", "(value.high ^ class->value) & class->mask", "false"},
		{"fragments forgotten", "reduce.h", "return first ? *first : hash", "return first ? hash : hash"},
		{"flows of one direction", "hash.h", "mix(mix(hash, a ^ b), a + b)", "mix(mix(hash, a), b)"},
		{"sampling one late", "reduce.h", "count->candidates++ % one_in", "++count->candidates % one_in"},
		{"headers not snapped", "deliver.h", "wanted->snap_headers && headers", "false && headers"},
		{"allowed sources ignored", "resolve.h", "if (!head->only_allowed)", "if (true)"},
		{"any source before the source", "resolve.h", "if (policy != RESOLVED_UNKNOWN)\n\t\treturn policy;", ""},
		{"the last policy remembered", "session.h", "resolved >> 32 == head->generation", "resolved >> 32"},
		{"unknown sessions passed", "ledger.h", "judgement->drop_unknown ? XDP_DROP", "false ? XDP_DROP"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := buildBroken(t, test.file, test.right, test.wrong, NoSanitizers)
			campaign := Campaign{
				Seed: 1, Frames: 200 * sequenceFrames, Workers: 1,
				Open: func() (*Panel, error) { return Open([]string{"mirror", "native"}, server) },
			}
			result, err := campaign.Run(t.Context())
			if err == nil {
				t.Errorf("nobody noticed in %d frames", result.Frames)
			}
		})
	}
}

// buildBroken builds the server from a copy of the program in which right is
// wrong.
func buildBroken(t *testing.T, file, right, wrong string, sanitizers Sanitizers) string {
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
	return built(t)(BuildServer(to, to, sanitizers))
}
