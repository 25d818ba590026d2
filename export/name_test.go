package export

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExpandTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("EST", -5*3600)
	moment := time.Date(2026, 3, 4, 5, 6, 7, 0, zone)
	tests := map[string]string{
		"plain.pcapng":          "plain.pcapng",
		"%Y%m%d-%H%M%S.pcapng":  "20260304-050607.pcapng",
		"%y %j %b %a":           "26 063 Mar Wed",
		"%F %T":                 "2026-03-04 05:06:07",
		"%Z%z":                  "EST-0500",
		"%s":                    "1772618767",
		"100%%":                 "100%",
		"%%Y":                   "%Y",
		"/var/2006/%Y/01-Jan.x": "/var/2006/2026/01-Jan.x",
	}
	for path, want := range tests {
		if got, err := ExpandTime(path, moment); err != nil || got != want {
			t.Errorf("%q becomes %q, %v; want %q", path, got, err, want)
		}
	}
	for path, want := range map[string]string{
		"a%Q.pcapng": `expand time: unknown conversion "%Q"`,
		"%Y%":        `expand time: unknown conversion "%"`,
		"%é":         `expand time: unknown conversion "%é"`,
	} {
		if _, err := ExpandTime(path, moment); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", path, err, want)
		}
	}
}

func TestNumbered(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"out.pcapng":            "out-3.pcapng",
		"dir.d/out":             "dir.d/out-3",
		"a.b.pcapng":            "a.b-3.pcapng",
		"a.b.pcapng.zst":        "a.b-3.pcapng.zst",
		"a.zst":                 "a-3.zst",
		".hidden":               ".hidden-3",
		"/tmp/.hidden.pcapng":   "/tmp/.hidden-3.pcapng",
		"10.0.0.1-2026.pcap.gz": "10.0.0.1-2026-3.pcap.gz",
		".pcapng.zst":           ".pcapng.zst-3",
	} {
		if got := numbered(path, 3); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
		if got := numbered(path, 0); got != path {
			t.Errorf("%q becomes %q without a number", path, got)
		}
	}
}

// holding writes a file.
func holding(path, content string) error { return os.WriteFile(path, []byte(content), 0o600) }

// occupied are ways for a name to be taken, and the file that is written then.
var occupied = map[string]struct {
	existing func(path string) error
	want     string
}{
	"nothing":    {func(string) error { return nil }, "out.pcapng"},
	"empty file": {func(path string) error { return holding(path, "") }, "out.pcapng"},
	"full file":  {func(path string) error { return holding(path, "x") }, "out-1.pcapng"},
	"link to an empty file": {func(path string) error {
		return errors.Join(holding(path+".target", ""), os.Symlink(path+".target", path))
	}, "out.pcapng"},
	"link to a full file": {func(path string) error {
		return errors.Join(holding(path+".target", "x"), os.Symlink(path+".target", path))
	}, "out-1.pcapng"},
	"link to nothing": {func(path string) error { return os.Symlink(path+".target", path) }, "out-1.pcapng"},
	"a second full file": {func(path string) error {
		return errors.Join(holding(path, "x"), holding(numbered(path, 1), "y"))
	}, "out-2.pcapng"},
	"an empty second file": {func(path string) error {
		return errors.Join(holding(path, "x"), holding(numbered(path, 1), ""))
	}, "out-1.pcapng"},
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	for name, test := range occupied {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "out.pcapng")
			if err := test.existing(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			p, err := createPart(path, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer p.out.Close()
			if got := filepath.Base(p.path); got != test.want {
				t.Errorf("file %s, want %s", got, test.want)
			}
			if _, err := p.out.Write([]byte("new")); err != nil {
				t.Fatal(err)
			}
			if got := read(t, p.path); string(got) != "new" {
				t.Errorf("it holds %q", got)
			}
			if after, _ := os.ReadFile(path); len(before) > 0 && string(after) != string(before) {
				t.Errorf("what was there, %q, is now %q", before, after)
			}
		})
	}
}

// However many begin at once, and whether there is an empty file or none, each
// gets a file of its own.
func TestFilesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, exists := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "out.pcapng")
		if exists {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		parts := make([]part, 20)
		var creating sync.WaitGroup
		for i := range parts {
			creating.Go(func() {
				p, err := createPart(path, 0)
				if err != nil {
					t.Error(err)
				}
				parts[i] = p
			})
		}
		creating.Wait()
		owners := make(map[string]int)
		for _, p := range parts {
			owners[p.path]++
			if p.out != nil {
				p.out.Close()
			}
		}
		want := make(map[string]int)
		for path := range owners {
			want[path] = 1
		}
		if diff := cmp.Diff(want, owners); diff != "" || len(owners) != len(parts) {
			t.Errorf("owners a file (-want +got):\n%s", diff)
		}
	}
}

// A name that another program gives up while this one waits for it is not lost on both.
func TestGivenUpFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out.pcapng")
	p, err := createPart(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isOurs(path, file) {
		t.Error("a file is ours while another writer has it")
	}
	if err := p.discard(); err != nil {
		t.Fatal(err)
	}
	p.out.Close()
	if isOurs(path, file) {
		t.Error("a file is ours that has no name any more")
	}
}
