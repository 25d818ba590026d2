package export

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/mirror"
)

// rotated writes n packets of 60 bytes, a second apart and of two sessions in
// turn, and returns the files' content in order and the last error of Write.
func rotated(t *testing.T, o FileOptions, n int) (f *File, files [][]byte, err error) {
	t.Helper()
	o.Statistics = vniStatistics
	f, openErr := NewFile(o)
	if openErr != nil {
		t.Fatal(openErr)
	}
	for i := range n {
		b := batchOf(1, 60, 1)
		b.Packets[0].Time = at + int64(i)*time.Second.Nanoseconds()
		b.Packets[0].Session.VNI = uint32(i % 2)
		err = f.Write(b)
	}
	if closeErr := f.Close(); closeErr != nil {
		t.Fatal(closeErr)
	}
	checkSum(t, f.Account())
	for _, path := range f.paths() {
		files = append(files, read(t, path))
	}
	return f, files, err
}

// checkRow wants whole files whose packets follow each other from number first
// on, and returns how many each holds.
func checkRow(t *testing.T, files [][]byte, first int) (packets []int) {
	t.Helper()
	for _, file := range files {
		c := mustWalk(t, file)
		if len(c.statistics) != len(c.interfaces) {
			t.Errorf("%d statistics blocks for %d interfaces", len(c.statistics), len(c.interfaces))
		}
		for _, p := range c.packets {
			if want := at + int64(first)*time.Second.Nanoseconds(); p.time != want || vniOf(t, c, p.number) != uint32(first%2) {
				t.Fatalf("packet at %d of VNI %d, want packet %d", p.time, vniOf(t, c, p.number), first)
			}
			first++
		}
		packets = append(packets, len(c.packets))
	}
	return packets
}

func names(f *File) (names []string) {
	for _, path := range f.paths() {
		names = append(names, filepath.Base(path))
	}
	return names
}

func listed(t *testing.T, directory string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestRotateBySize(t *testing.T) {
	t.Parallel()
	empty, err := NewFile(FileOptions{Path: filepath.Join(t.TempDir(), "x"), Statistics: noStatistics})
	if err != nil {
		t.Fatal(err)
	}
	header := empty.written
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	// Each packet takes 104 bytes (or 140 with an endpoint), each session 60 and 76 more.
	limit := header + 2*(60+76) + 3*104

	directory := t.TempDir()
	f, files, _ := rotated(t, FileOptions{Path: filepath.Join(directory, "out.pcapng"), RotateSize: limit}, 8)
	if diff := cmp.Diff([]int{3, 3, 2}, checkRow(t, files, 0)); diff != "" {
		t.Errorf("packets a file (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"out.pcapng", "out-1.pcapng", "out-2.pcapng"}, names(f)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if int64(len(files[0])) != limit {
		t.Errorf("the first file is %d bytes long, want the limit of %d", len(files[0]), limit)
	}
	if a := f.Account(); a.Delivered != 8 {
		t.Errorf("account %+v", a)
	}

	_, files, _ = rotated(t, FileOptions{Path: filepath.Join(t.TempDir(), "out.pcapng"), RotateSize: limit - 1}, 8)
	if diff := cmp.Diff([]int{2, 2, 2, 2}, checkRow(t, files, 0)); diff != "" {
		t.Errorf("packets a file, a byte less (-want +got):\n%s", diff)
	}
	_, files, _ = rotated(t, FileOptions{Path: filepath.Join(t.TempDir(), "out.pcapng"), RotateSize: 1}, 3)
	if diff := cmp.Diff([]int{1, 1, 1}, checkRow(t, files, 0)); diff != "" {
		t.Errorf("packets a file, less than one (-want +got):\n%s", diff)
	}
}

func TestRing(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	o := FileOptions{Path: filepath.Join(directory, "out.pcapng"), RotateSize: 1, Files: 3}
	f, files, err := rotated(t, o, 7)
	if err != nil {
		t.Fatal(err)
	}
	checkRow(t, files, 4)
	// Numbers only go up, though out.pcapng is free again.
	want := []string{"out-4.pcapng", "out-5.pcapng", "out-6.pcapng"}
	if diff := cmp.Diff(want, names(f)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, listed(t, directory)); diff != "" {
		t.Errorf("directory (-want +got):\n%s", diff)
	}
	if a := f.Account(); a.Delivered != 7 || f.Path() != f.paths()[2] {
		t.Errorf("account %+v, path %s", a, f.Path())
	}
}

// A ring deletes what it wrote itself and nothing else.
func TestRingLeavesOthersFiles(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "out.pcapng")
	f, err := NewFile(FileOptions{Path: path, RotateSize: 1, Files: 1, Statistics: noStatistics})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("another's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := f.Write(batchOf(1, 60, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"out-2.pcapng", "out.pcapng", "out.pcapng.kept"}, listed(t, directory)); diff != "" {
		t.Errorf("directory (-want +got):\n%s", diff)
	}
	if content := read(t, path); string(content) != "another's" {
		t.Errorf("another's file holds %q", content)
	}
}

func TestRotateByTime(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		every   time.Duration
		size    int64
		packets []int
	}{
		"three seconds":         {3 * time.Second, 0, []int{3, 3, 3, 1}},
		"a nanosecond more":     {3*time.Second + 1, 0, []int{4, 4, 2}},
		"less than the gap":     {time.Millisecond, 0, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
		"never":                 {time.Hour, 0, []int{10}},
		"whichever comes first": {4 * time.Second, 1 << 20, []int{4, 4, 2}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := FileOptions{Path: filepath.Join(t.TempDir(), "%s.pcapng"), RotateEvery: test.every, RotateSize: test.size}
			_, files, err := rotated(t, o, 10)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.packets, checkRow(t, files, 0)); diff != "" {
				t.Errorf("packets a file (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilesLimit(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	o := FileOptions{Path: filepath.Join(directory, "out.pcapng"), RotateEvery: 2 * time.Second, Files: 2}
	f, files, err := rotated(t, o, 9)
	if !errors.Is(err, ErrFilesLimit) {
		t.Errorf("error %v, want %v", err, ErrFilesLimit)
	}
	if diff := cmp.Diff([]int{2, 2}, checkRow(t, files, 0)); diff != "" {
		t.Errorf("packets a file (-want +got):\n%s", diff)
	}
	want := mirror.OutputAccount{Offered: 9, Delivered: 4, Lost: map[mirror.Loss]uint64{mirror.LossLimitReached: 5}}
	if diff := cmp.Diff(want, f.Account()); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"out-1.pcapng", "out.pcapng"}, listed(t, directory)); diff != "" {
		t.Errorf("directory (-want +got):\n%s", diff)
	}
	// VNI 0 lost packets 4, 6 and 8, and VNI 1 the other two.
	if c := mustWalk(t, files[1]); c.statistics[0].dropped != 3 || c.statistics[1].dropped != 1+2 {
		t.Errorf("statistics %+v", c.statistics)
	}
}

func TestRotatedNames(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	clock := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	o := FileOptions{Path: filepath.Join(directory, "%H%M.pcapng"), RotateSize: 1, Statistics: noStatistics}
	f, err := newFile(o, createPart, func() time.Time {
		clock = clock.Add(25 * time.Second)
		return clock
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Write(batchOf(6, 60, 1)), f.Close()); err != nil {
		t.Fatal(err)
	}
	want := []string{"0506.pcapng", "0506-1.pcapng", "0507.pcapng", "0507-1.pcapng", "0508.pcapng", "0508-1.pcapng"}
	if diff := cmp.Diff(want, names(f)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// However the second file fails, the first is whole and the sums hold.
func TestNextFileFails(t *testing.T) {
	t.Parallel()
	for _, room := range []int{-1, 0, 10, 200} {
		disks := []*disk{{room: 1 << 20}}
		create := func(path string, suffix int) (part, error) {
			d := disks[len(disks)-1]
			if d.room < 0 {
				return part{}, &os.PathError{Op: "open", Path: path, Err: syscall.ENOSPC}
			}
			disks = append(disks, &disk{room: room, full: syscall.ENOSPC})
			return part{path: path, suffix: suffix, out: d, regular: true}, nil
		}
		f, err := newFile(FileOptions{Path: "out.pcapng", RotateSize: 1, Statistics: noStatistics}, create, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Write(batchOf(5, 60, 1))
		err = errors.Join(err, f.Close())
		checkWriteError(t, err, mirror.LossDiskFull, syscall.ENOSPC)
		delivered := 0
		for _, d := range disks {
			delivered += len(mustWalk(t, d.content).packets)
		}
		a := f.Account()
		if checkSum(t, a); a.Offered != 5 || a.Delivered != uint64(delivered) || a.Lost[mirror.LossDiskFull] != 5-a.Delivered {
			t.Errorf("room %d: account %+v, %d packets in files", room, a, delivered)
		}
		if !slices.Contains(f.paths(), "out.pcapng") {
			t.Errorf("room %d: paths %q", room, f.paths())
		}
	}
}
