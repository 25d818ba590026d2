package export

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// oldSize is how many bytes a file has that leaveOld leaves.
const oldSize = 20_000

// leaveOld leaves files of an hour ago.
func leaveOld(t *testing.T, directory string, names []string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	for _, name := range names {
		path := filepath.Join(directory, name)
		if err := errors.Join(os.WriteFile(path, make([]byte, oldSize), 0o644), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
}

// sizes are the bytes of a directory's files, by name.
func sizes(t *testing.T, directory string) map[string]int64 {
	t.Helper()
	sizes := make(map[string]int64)
	for _, path := range globbed(t, directory+"/*") {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		sizes[filepath.Base(path)] = info.Size()
	}
	return sizes
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
			leaveOld(t, directory, append(others, "a.pcapng", "a-7.pcapng", "a-9.pcapng.damaged"))
			o := archiveOptions(filepath.Join(directory, "a.pcapng"), new(lab.Transcript))
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
			own, size := sizes(t, directory), int64(0)
			for _, other := range others {
				if own[other] != oldSize {
					t.Errorf("%s is gone, which is not the output's", other)
				}
				delete(own, other)
			}
			for _, n := range own {
				size += n
			}
			if own["a.pcapng"]+own["a-7.pcapng"]+own["a-9.pcapng.damaged"] != 0 {
				t.Errorf("the oldest are there: %v", own)
			}
			if !test.left(len(own), size) {
				t.Errorf("%d files of %d bytes are left: %v; %+v", len(own), size, own, a.Files())
			}
		})
	}
}

// Files that seem to be of the future, since the clock was set back, are older than those
// that come.
func TestArchiveKeepsTheNewest(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	o := archiveOptions(filepath.Join(directory, "a.pcapng"), new(lab.Transcript))
	o.File.RotateSize, o.Keep = 20_000, Keep{Files: 3}
	var s series
	write := func() (names []string) {
		a := openArchive(t, o)
		if err := errors.Join(a.Write(s.batch(90, 600, 1)), a.Close()); err != nil {
			t.Fatal(err)
		}
		return globbed(t, directory+"/*")
	}
	before := write()
	for _, path := range before {
		future := time.Now().Add(time.Hour)
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		setOrder(file, future.UnixNano())
		if err := errors.Join(file.Close(), os.Chtimes(path, future, future)); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || orderOf(path, info) != future.UnixNano() {
			t.Skipf("%v: no attributes on this file system", err)
		}
	}
	after := write()
	if len(before) != 3 || len(after) != 3 || slices.ContainsFunc(after, func(path string) bool { return slices.Contains(before, path) }) {
		t.Errorf("files %q, and then %q", before, after)
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
			log := new(lab.Transcript)
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

// When an archive is closed, commands have the time of one, not of each.
func TestArchiveCommandsEnd(t *testing.T) {
	t.Parallel()
	o := archiveOptions(filepath.Join(t.TempDir(), "a.pcapng"), new(lab.Transcript))
	o.File.RotateSize = 1
	o.Command = Command{Arguments: []string{"/bin/sleep", "60"}, Timeout: 300 * time.Millisecond}
	a := openArchive(t, o)
	var s series
	if err := a.Write(s.batch(60, 60, 1)); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 10*time.Second || a.Files().CommandsFailed != 60 {
		t.Errorf("it took %v; %+v", took, a.Files())
	}
}

func TestArchiveOwner(t *testing.T) {
	labtest.NeedRoot(t, "gives files away")
	t.Parallel()
	directory := t.TempDir()
	o := archiveOptions(filepath.Join(directory, "%Y/a.pcapng"), new(lab.Transcript))
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
