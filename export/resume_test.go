package export

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/mirror"
)

// Wherever the disk becomes full, the file ends there with its statistics, and the
// next goes on once there is room.
func TestResumeAtEveryByte(t *testing.T) {
	t.Parallel()
	for room := 64; ; room++ {
		full, next := &disk{room: room, full: syscall.ENOSPC}, &disk{room: 1 << 20}
		f, err := onDisksOr(FileOptions{}, full, next)
		if err != nil {
			continue
		}
		failed := errors.Join(f.Write(batchOf(6, 50, 3)), f.Flush())
		if failed == nil {
			break
		}
		checkWriteError(t, failed, mirror.LossDiskFull, syscall.ENOSPC)
		if err := errors.Join(f.Write(batchOf(2, 50, 1)), f.Flush()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Resume(), f.Write(batchOf(4, 50, 4)), f.Flush(), f.Close()); err != nil {
			t.Fatalf("room %d: after there is room: %v", room, err)
		}
		first, second, a := mustWalk(t, full.content), mustWalk(t, next.content), f.Account()
		delivered := uint64(len(first.packets) + len(second.packets))
		if checkSum(t, a); a.Offered != 12 || a.Delivered != delivered || a.Lost[mirror.LossDiskFull] != 12-delivered {
			t.Fatalf("room %d: account %+v, %d packets in the files", room, a, delivered)
		}
		if len(first.statistics) != len(first.interfaces) && len(first.packets) > 0 {
			t.Fatalf("room %d: %d interfaces, %d statistics blocks in the full file", room, len(first.interfaces), len(first.statistics))
		}
		if len(second.statistics) != len(second.interfaces) || len(second.interfaces) != 4 {
			t.Fatalf("room %d: %d interfaces, %d statistics blocks, want 4", room, len(second.interfaces), len(second.statistics))
		}
	}
}

// onDisks is a File whose parts are these disks, one after the other.
func onDisks(t *testing.T, o FileOptions, disks ...*disk) *File {
	t.Helper()
	f, err := onDisksOr(o, disks...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func onDisksOr(o FileOptions, disks ...*disk) (*File, error) {
	create := func(path string, suffix int) (part, error) {
		if len(disks) == 0 {
			return part{}, syscall.ENOSPC
		}
		next := disks[0]
		disks = disks[1:]
		return part{path: numbered(path, suffix), suffix: suffix, out: next, regular: true}, nil
	}
	o.Path, o.Statistics = "out.pcapng", vniStatistics
	return newFile(o, create, time.Now)
}

// A file that cannot be cut back is left as it is, and the next one begun.
func TestResumeAfterTornFile(t *testing.T) {
	t.Parallel()
	torn, next := &disk{room: 300, full: syscall.EIO, truncate: syscall.EROFS}, &disk{room: 1 << 20}
	f := onDisks(t, FileOptions{}, torn, next)
	if err := f.Write(batchOf(9, 60, 1)); err != nil {
		t.Fatal(err)
	}
	checkWriteError(t, f.Flush(), mirror.LossIOError, syscall.EIO)
	if err := errors.Join(f.Resume(), f.Write(batchOf(5, 60, 2)), f.Close()); err != nil {
		t.Fatal(err)
	}
	if c := mustWalk(t, next.content); len(c.packets) != 5 || len(c.statistics) != 2 {
		t.Errorf("next file has %d packets and %d statistics blocks, want 5 and 2", len(c.packets), len(c.statistics))
	}
	if checkSum(t, f.Account()); !torn.isClosed || len(torn.content) != 300 {
		t.Errorf("torn file: closed %v, %d bytes", torn.isClosed, len(torn.content))
	}
}

// A rotation that failed is made up for.
func TestResumeAfterRotation(t *testing.T) {
	t.Parallel()
	full, next := &disk{room: 20, full: syscall.ENOSPC}, &disk{room: 1 << 20}
	f := onDisks(t, FileOptions{RotateSize: 400}, &disk{room: 1 << 20}, full, next)
	b := batchOf(3, 100, 1)
	checkWriteError(t, errors.Join(f.Write(b), f.Flush()), mirror.LossDiskFull, syscall.ENOSPC)
	if err := errors.Join(f.Resume(), f.Write(b), f.Flush()); err == nil {
		t.Fatal("three packets fit one file, want another rotation")
	}
	checkWriteError(t, f.Resume(), mirror.LossDiskFull, syscall.ENOSPC)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c, a := mustWalk(t, next.content), f.Account()
	if lost := checkSum(t, a); a.Offered != 6 || lost == 0 || len(c.packets) == 0 {
		t.Errorf("account %+v, %d packets in the last file", a, len(c.packets))
	}
}

func TestResumeOfAPipe(t *testing.T) {
	t.Parallel()
	f, err := fileOn(&disk{room: 300, full: syscall.EPIPE}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Resume(); err != nil {
		t.Errorf("without a failure: %v", err)
	}
	checkWriteError(t, errors.Join(f.Write(batchOf(9, 60, 1)), f.Flush()), mirror.LossWriteError, syscall.EPIPE)
	if failure, ok := errors.AsType[*WriteError](f.Resume()); !ok || failure.Action != "resume" {
		t.Errorf("error %v, want a *WriteError of resume", failure)
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		existing bool // as an empty file
		packets  int
		left     []string
	}{
		"new":           {false, 0, nil},
		"existing":      {true, 0, []string{"out.pcapng"}},
		"with a packet": {false, 1, []string{"out.pcapng"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			path := filepath.Join(directory, "out.pcapng")
			if test.existing {
				if err := os.WriteFile(path, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			f, err := NewFile(FileOptions{Path: path, Statistics: vniStatistics})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(f.Write(batchOf(test.packets, 60, 1)), f.Discard()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.left, listed(t, directory)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if test.packets > 0 {
				mustWalk(t, read(t, path))
			}
		})
	}
}
