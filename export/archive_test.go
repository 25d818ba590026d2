package export

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/mirror"
)

// logged keeps what an archive says.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// archiveOptions are those of an archive in a directory.
func archiveOptions(path string, log *logged) ArchiveOptions {
	return ArchiveOptions{
		File:  FileOptions{Path: path, Application: "xdpeel 1.2.3", Name: nameOf, Statistics: vniStatistics},
		Owner: Owner{User: -1, Group: -1},
		Log:   slog.New(slog.NewTextHandler(log, nil)),
	}
}

func openArchive(t *testing.T, o ArchiveOptions) *Archive {
	t.Helper()
	a, err := NewArchive(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// series hands out packets that are numbered, from 0 on.
type series struct{ next uint32 }

// batch is n packets of size bytes, of several sessions in turn, that arrive now.
func (s *series) batch(n, size, sessions int) *mirror.Batch {
	b := mirror.NewBatch(n, n*size)
	for range n {
		data := b.Room(size)
		for i := range data {
			data[i] = byte(uint32(i) * (s.next + 7))
		}
		binary.BigEndian.PutUint32(data, s.next)
		b.Add(mirror.Packet{
			Time:    time.Now().UnixNano(),
			Session: mirror.Session{VNI: s.next % uint32(sessions), Source: netip.MustParseAddr("10.0.0.9")},
			Length:  size, Data: data,
		})
		s.next++
	}
	return b
}

// expand reads a file as it is before compression.
func expand(t *testing.T, path string) []byte {
	t.Helper()
	tool := map[string]string{".zst": "zstd", ".gz": "gzip"}[filepath.Ext(path)]
	if tool == "" {
		return read(t, path)
	}
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("needs %s", tool)
	}
	content, err := exec.Command(tool, "-dcq", path).Output()
	if err != nil {
		t.Fatalf("%s -dc %s: %v", tool, path, err)
	}
	return content
}

// inFiles counts how often each number of a series is in these files, which must be
// whole and have their times in order.
func inFiles(t *testing.T, paths ...string) map[uint32]int {
	t.Helper()
	numbers := make(map[uint32]int)
	for _, path := range paths {
		c, err := walk(expand(t, path))
		if err != nil {
			t.Fatalf("%s is not whole: %v", path, err)
		}
		if len(c.statistics) != len(c.interfaces) {
			t.Errorf("%s has %d statistics blocks for %d interfaces", path, len(c.statistics), len(c.interfaces))
		}
		last := int64(0)
		for _, p := range c.packets {
			numbers[binary.BigEndian.Uint32([]byte(p.data))]++
			if p.time < last {
				t.Fatalf("%s: time goes back by %d ns", path, last-p.time)
			}
			last = p.time
		}
	}
	return numbers
}

// checkNumbers wants each of n packets as often as the account says: once or, of
// those that are lost, never.
func checkNumbers(t *testing.T, numbers map[uint32]int, n uint32, account mirror.OutputAccount) {
	t.Helper()
	lost := checkSum(t, account)
	for number, times := range numbers {
		if times != 1 || number >= n {
			t.Errorf("packet %d of %d is there %d times", number, n, times)
		}
	}
	if account.Offered != uint64(n) || uint64(len(numbers)) != account.Delivered || uint64(n) != account.Delivered+lost {
		t.Errorf("%d sent, %d in files, account %+v", n, len(numbers), account)
	}
}

func globbed(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// Rotation loses nothing, and shows only what is whole.
func TestArchiveRotates(t *testing.T) {
	t.Parallel()
	for _, extension := range []string{".pcapng", ".pcapng.zst", ".pcapng.gz"} {
		t.Run(extension, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			o := archiveOptions(filepath.Join(directory, "%Y", "a"+extension), &logged{})
			o.File.RotateSize = 1 << 20
			a := openArchive(t, o)
			var s series
			for range 100 {
				if err := errors.Join(a.Write(s.batch(200, 600, 5)), a.Flush()); err != nil {
					t.Fatal(err)
				}
			}
			if parts := globbed(t, directory+"/*/*.part"); len(parts) == 0 {
				t.Error("the file that is open has no .part behind its name")
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			paths := globbed(t, directory+"/*/*"+extension)
			if len(paths) < 2 || len(globbed(t, directory+"/*/*.part")) != 0 || a.Files().Complete != uint64(len(paths)) {
				t.Errorf("files %q, %+v", paths, a.Files())
			}
			for _, path := range paths {
				if info, err := os.Stat(path); err != nil || info.Size() > o.File.RotateSize {
					t.Errorf("%s is larger than %d: %v", path, o.File.RotateSize, err)
				}
				wireshark(t, "tshark", "-r", path)
				wireshark(t, "capinfos", path)
			}
			checkNumbers(t, inFiles(t, paths...), s.next, a.Account())
		})
	}
}

// A compressed file is written soon also if nothing more comes.
func TestArchivePacksInTime(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	a := openArchive(t, archiveOptions(filepath.Join(directory, "a.pcapng.zst"), &logged{}))
	var s series
	if err := errors.Join(a.Write(s.batch(3, 60, 1)), a.Flush()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three packets are written", func() bool { return a.Account().Delivered == 3 })
}

// A window that is over ends its file without another packet, and names are those
// of the windows.
func TestArchiveWindows(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	o := archiveOptions(filepath.Join(directory, "%Y%m%d-%H%M%S.pcapng"), &logged{})
	o.File.RotateEvery = time.Second
	a := openArchive(t, o)
	var s series
	for range 12 {
		if err := errors.Join(a.Write(s.batch(10, 60, 2)), a.Flush()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	eventually(t, "all files are complete", func() bool { return len(globbed(t, directory+"/*.part")) == 0 })
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	paths := globbed(t, directory+"/*")
	if len(paths) < 3 {
		t.Errorf("files %q, want one a second", paths)
	}
	for _, path := range paths {
		c := mustWalk(t, read(t, path))
		first, last := c.packets[0].time, c.packets[len(c.packets)-1].time
		want := time.Unix(first/1e9, 0).Format("20060102-150405.pcapng")
		if filepath.Base(path) != want || first/1e9 != last/1e9 {
			t.Errorf("file %s, from %d to %d", filepath.Base(path), first, last)
		}
	}
	checkNumbers(t, inFiles(t, paths...), s.next, a.Account())
}

func TestWindow(t *testing.T) {
	for _, test := range []struct {
		zone  string
		every time.Duration
		at    string
		want  string
	}{
		{"UTC", 5 * time.Minute, "2026-03-04T05:06:07.5Z", "2026-03-04T05:05:00Z"},
		{"UTC", time.Hour, "2026-03-04T05:00:00Z", "2026-03-04T05:00:00Z"},
		{"Asia/Kolkata", time.Hour, "2026-03-04T05:06:07+05:30", "2026-03-04T05:00:00+05:30"},
		{"Asia/Kolkata", 24 * time.Hour, "2026-03-04T05:06:07+05:30", "2026-03-04T00:00:00+05:30"},
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Skipf("needs time zones: %v", err)
		}
		before := time.Local
		time.Local = zone
		at, _ := time.Parse(time.RFC3339, test.at)
		want, _ := time.Parse(time.RFC3339, test.want)
		f := &File{options: FileOptions{RotateEvery: test.every, Aligned: true}}
		if got := f.window(at.UnixNano()); got != want.UnixNano() {
			t.Errorf("%s, every %v: %s", test.at, test.every, time.Unix(0, got).Format(time.RFC3339))
		}
		time.Local = before
	}
}

// Each session has files of its own, and no more are open than may be.
func TestArchiveSplits(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	o := archiveOptions(filepath.Join(directory, "%{vni}", "%{session}.pcapng"), &logged{})
	o.Split = true
	a := openArchive(t, o)
	var s series
	const sessions = openFiles + 10
	for range 2 {
		for range 3 {
			if err := errors.Join(a.Write(s.batch(sessions, 60, sessions)), a.Flush()); err != nil {
				t.Fatal(err)
			}
		}
		if parts := globbed(t, directory+"/*/*.part"); len(parts) > openFiles+retiredWaiting+2 {
			t.Errorf("%d files are open", len(parts))
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	paths := globbed(t, directory+"/*/*.pcapng")
	for _, path := range paths {
		for number := range inFiles(t, path) {
			if vni := filepath.Base(filepath.Dir(path)); fmt.Sprint(number%sessions) != vni {
				t.Fatalf("packet %d is in %s", number, path)
			}
		}
		if name := filepath.Base(path); !strings.HasPrefix(name, "vni-"+filepath.Base(filepath.Dir(path))+"-from-10.0.0.9") {
			t.Errorf("file %s", path)
		}
	}
	checkNumbers(t, inFiles(t, paths...), s.next, a.Account())
}

func TestSessionNames(t *testing.T) {
	t.Parallel()
	v6 := mirror.Session{VNI: 7, Source: netip.MustParseAddr("2001:db8::7")}
	for name, want := range map[string]string{
		"web-1": "x/web-1-7-2001:db8::7", "": "x/vni-7-from-2001:db8::7-7-2001:db8::7",
		"../etc": "x/_.._etc-7-2001:db8::7", "a/b": "x/a_b-7-2001:db8::7", "50%Y": "x/50%%Y-7-2001:db8::7",
	} {
		if got := expandSession("x/%{session}-%{vni}-%{source}", v6, name); got != want {
			t.Errorf("session %q: %s, want %s", name, got, want)
		}
	}
}

// Only an output's own files are deleted, the oldest first, those of earlier runs too.
func TestArchiveKeeps(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		keep Keep
		left func(files int, size int64) bool
	}{
		"files": {Keep{Files: 3}, func(files int, _ int64) bool { return files == 3 }},
		"size":  {Keep{Size: 100_000}, func(files int, size int64) bool { return size <= 100_000 && files >= 4 }},
		"free":  {Keep{Free: 1 << 60}, func(files int, _ int64) bool { return files == 0 }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			others := []string{"b.pcapng", "a.pcapng.txt", "a-x.pcapng", "xa.pcapng", "a.pcap"}
			for _, other := range append(others, "a.pcapng", "a-7.pcapng", "a-9.pcapng.damaged") {
				path := filepath.Join(directory, other)
				if err := os.WriteFile(path, make([]byte, 20_000), 0o644); err != nil {
					t.Fatal(err)
				}
				old := time.Now().Add(-time.Hour)
				if err := os.Chtimes(path, old, old); err != nil {
					t.Fatal(err)
				}
			}
			o := archiveOptions(filepath.Join(directory, "a.pcapng"), &logged{})
			o.File.RotateSize, o.Keep = 20_000, test.keep
			a := openArchive(t, o)
			var s series
			for range 10 {
				if err := errors.Join(a.Write(s.batch(30, 600, 1)), a.Flush()); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			own, size := map[string]bool{}, int64(0)
			for _, path := range globbed(t, directory+"/*") {
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				own[filepath.Base(path)] = true
				size += info.Size()
			}
			for _, other := range others {
				if !own[other] {
					t.Errorf("%s is gone, which is not the output's", other)
				}
				delete(own, other)
				size -= 20_000
			}
			if own["a.pcapng"] || own["a-7.pcapng"] || own["a-9.pcapng.damaged"] {
				t.Errorf("the oldest are there: %v", own)
			}
			if !test.left(len(own), size) {
				t.Errorf("%d files of %d bytes are left: %v; %+v", len(own), size, own, a.Files())
			}
		})
	}
}

// The command has the file, complete and under its name; one that fails or hangs is
// counted, and told of.
func TestArchiveCommand(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	list := filepath.Join(directory, "list")
	tests := map[string]struct {
		arguments []string
		failed    uint64
		said      string
	}{
		"succeeds": {[]string{"/bin/sh", "-c", `test -s "$1" && echo "$0 $1" >>` + list, "two words;"}, 0, ""},
		"fails":    {[]string{"/bin/sh", "-c", "echo no room on the tape >&2; exit 3"}, 1, "no room on the tape"},
		"hangs":    {[]string{"/bin/sh", "-c", "sleep 60 & sleep 60"}, 1, "it took longer than 300ms"},
		"is none":  {[]string{filepath.Join(directory, "none")}, 1, "no such file or directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log := &logged{}
			o := archiveOptions(filepath.Join(directory, name+".pcapng"), log)
			o.Command = Command{Arguments: test.arguments, Timeout: 300 * time.Millisecond}
			a := openArchive(t, o)
			var s series
			if err := errors.Join(a.Write(s.batch(3, 60, 1)), a.Close()); err != nil {
				t.Fatal(err)
			}
			if failed := a.Files().CommandsFailed; failed != test.failed || !strings.Contains(log.String(), test.said) {
				t.Errorf("%d failed, want %d; log:\n%s", failed, test.failed, log)
			}
		})
	}
	if got, want := string(read(t, list)), "two words; "+filepath.Join(directory, "succeeds.pcapng")+"\n"; got != want {
		t.Errorf("the command had %q, want %q", got, want)
	}
}

func TestArchiveOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: gives files away")
	}
	t.Parallel()
	directory := t.TempDir()
	o := archiveOptions(filepath.Join(directory, "%Y/a.pcapng"), &logged{})
	o.Owner = Owner{User: 1234, Group: 5678, Mode: 0o640}
	a := openArchive(t, o)
	check := func(path string, mode os.FileMode) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		status := info.Sys().(*syscall.Stat_t)
		if status.Uid != 1234 || status.Gid != 5678 || mode != 0 && info.Mode().Perm() != mode {
			t.Errorf("%s is of %d:%d, mode %v", path, status.Uid, status.Gid, info.Mode())
		}
	}
	check(globbed(t, directory+"/*/a.pcapng.part")[0], 0o640)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	check(globbed(t, directory+"/*/a.pcapng")[0], 0o640)
	check(globbed(t, directory+"/*")[0], 0)
}

// Nothing is overwritten, also if somebody takes the name meanwhile, and an archive
// that is discarded leaves nothing.
func TestArchiveNames(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "a.pcapng")
	first, second := openArchive(t, archiveOptions(path, &logged{})), openArchive(t, archiveOptions(path, &logged{}))
	discarded := openArchive(t, archiveOptions(path, &logged{}))
	if err := os.WriteFile(path, []byte("another's"), 0o600); err != nil {
		t.Fatal(err)
	}
	var s series
	if err := errors.Join(first.Write(s.batch(2, 60, 1)), second.Write(s.batch(2, 60, 1)), discarded.Discard(), second.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a-1.pcapng", "a-2.pcapng", "a.pcapng"}, listed(t, directory)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := string(read(t, path)); got != "another's" {
		t.Errorf("the other's file holds %q", got)
	}
	if n := len(inFiles(t, globbed(t, directory+"/a-*")...)); n != 4 {
		t.Errorf("%d packets, want 4", n)
	}
}
