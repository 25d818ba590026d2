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
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// archiveOptions are those of an archive in a directory.
func archiveOptions(path string, log *lab.Transcript) ArchiveOptions {
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
	labtest.Need(t, tool)
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

// Rotation loses nothing, and shows only what is whole.
func TestArchiveRotates(t *testing.T) {
	t.Parallel()
	for _, extension := range []string{".pcapng", ".pcapng.zst", ".pcapng.gz"} {
		t.Run(extension, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			o := archiveOptions(filepath.Join(directory, "%Y", "a"+extension), new(lab.Transcript))
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
	a := openArchive(t, archiveOptions(filepath.Join(directory, "a.pcapng.zst"), new(lab.Transcript)))
	var s series
	if err := errors.Join(a.Write(s.batch(3, 60, 1)), a.Flush()); err != nil {
		t.Fatal(err)
	}
	labtest.Eventually(t, "three packets are written", func() bool { return a.Account().Delivered == 3 })
}

// A window that is over ends its file without another packet, and names are those
// of the windows.
func TestArchiveWindows(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	o := archiveOptions(filepath.Join(directory, "%Y%m%d-%H%M%S.pcapng"), new(lab.Transcript))
	o.File.RotateEvery = time.Second
	a := openArchive(t, o)
	var s series
	for range 12 {
		if err := errors.Join(a.Write(s.batch(10, 60, 2)), a.Flush()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	labtest.Eventually(t, "all files are complete", func() bool { return len(globbed(t, directory+"/*.part")) == 0 })
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
	o := archiveOptions(filepath.Join(directory, "%{vni}", "%{session}.pcapng"), new(lab.Transcript))
	o.Split = true
	a := openArchive(t, o)
	var s series
	const sessions = maxOpenFiles + 10
	for range 2 {
		for range 3 {
			if err := errors.Join(a.Write(s.batch(sessions, 60, sessions)), a.Flush()); err != nil {
				t.Fatal(err)
			}
		}
		if parts := globbed(t, directory+"/*/*.part"); len(parts) > maxOpenFiles+retiredWaiting+2 {
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

// Nothing is overwritten, also if somebody takes the name meanwhile, and an archive
// that is discarded leaves nothing.
func TestArchiveNames(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "a.pcapng")
	first, second := openArchive(t, archiveOptions(path, new(lab.Transcript))), openArchive(t, archiveOptions(path, new(lab.Transcript)))
	discarded := openArchive(t, archiveOptions(path, new(lab.Transcript)))
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
