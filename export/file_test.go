package export

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/mirror"
)

func TestStandardOutput(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	f, err := NewFile(FileOptions{Path: "-", Stdout: &out, SnapLength: 128, Name: nameOf, Statistics: vniStatistics})
	if err != nil {
		t.Fatal(err)
	}
	b := mirror.NewBatch(1, 4)
	b.Add(mirror.Packet{Time: at, Session: web, Length: 9, Data: append(b.Room(4)[:0], "data"...)})
	if err := errors.Join(f.Write(b), f.Close()); err != nil {
		t.Fatal(err)
	}
	want := capture{
		interfaces: []capturedInterface{{128, "vni 12345 from 10.0.12.59", "web-1"}},
		packets:    []capturedPacket{{time: at, captured: 4, length: 9, data: "data"}},
		statistics: []capturedStatistics{{start: at, end: at, received: 13345, dropped: 12345}},
	}
	if got := mustWalk(t, out.Bytes()); !cmp.Equal(want, got, cmp.AllowUnexported(capture{}, capturedInterface{}, capturedPacket{}, capturedStatistics{})) {
		t.Errorf("capture %+v, want %+v", got, want)
	}
	if f.Path() != "-" {
		t.Errorf("path %q", f.Path())
	}
}

// What does not fit the buffer goes out all the same.
func TestLargePackets(t *testing.T) {
	t.Parallel()
	d := &disk{room: 1 << 30}
	f, err := fileOn(d, true)
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{1, bufferSize - 100, bufferSize + 1, 3, 2 * bufferSize, 7}
	for _, n := range sizes {
		if err := f.Write(batchOf(1, n, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c := mustWalk(t, d.content)
	if len(c.packets) != len(sizes) {
		t.Fatalf("%d packets, want %d", len(c.packets), len(sizes))
	}
	for i, p := range c.packets {
		if int(p.captured) != sizes[i] {
			t.Errorf("packet %d has %d bytes, want %d", i, p.captured, sizes[i])
		}
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	tests := map[string]struct {
		options FileOptions
		want    string
		errno   error
	}{
		"no directory": {FileOptions{Path: directory + "/none/out.pcapng"}, `open "` + directory + `/none/out.pcapng": no such file or directory`, fs.ErrNotExist},
		"a directory":  {FileOptions{Path: directory}, `open "` + directory + `": is a directory`, syscall.EISDIR},
		"a device that is full": {
			FileOptions{Path: "/dev/full"}, `write "/dev/full": no space left on device`, syscall.ENOSPC,
		},
		"rotated device": {
			FileOptions{Path: "/dev/null", RotateSize: 1}, `open "/dev/null": only a regular file can be rotated`, errNotRotatable,
		},
		"rotated standard output": {
			FileOptions{Path: "-", RotateEvery: 1}, `open standard output: only a regular file can be rotated`, errNotRotatable,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.options.Statistics = noStatistics
			_, err := NewFile(test.options)
			if err == nil || err.Error() != test.want || !errors.Is(err, test.errno) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
	if _, err := NewFile(FileOptions{Path: "-", Stdout: io.Discard}); err == nil {
		t.Error("no function for statistics: no error")
	}
}

func TestNoPermission(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "locked")
	if err := os.Mkdir(directory, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // who may write anywhere, but not as nobody
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	}
	_, err := NewFile(FileOptions{Path: filepath.Join(directory, "out.pcapng"), Statistics: noStatistics})
	checkWriteError(t, err, mirror.LossWriteError, fs.ErrPermission)
}

func TestNamedPipe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	var content []byte
	var readErr error
	var reader sync.WaitGroup
	reader.Go(func() { content, readErr = os.ReadFile(path) })
	f, err := NewFile(FileOptions{Path: path, Statistics: vniStatistics})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fill(f)...); err != nil {
		t.Fatal(err)
	}
	reader.Wait()
	if c := mustWalk(t, content); readErr != nil || len(c.packets) != filledPackets || len(c.statistics) != filledSessions {
		t.Errorf("%d packets, %d statistics blocks: %v", len(c.packets), len(c.statistics), readErr)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeNamedPipe || f.Path() != path {
		t.Errorf("the pipe %s is now %v: %v", f.Path(), info, err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
