package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// disk is a target with room for so many bytes.
type disk struct {
	content   []byte
	room      int
	full      error // what Write says without room; nil: it writes short and says nothing
	truncate  error
	isClosed  bool
	wasSynced bool
}

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), d.room-len(d.content))
	d.content = append(d.content, p[:n]...)
	if n < len(p) {
		return n, d.full
	}
	return n, nil
}

func (d *disk) Truncate(size int64) error {
	if d.truncate != nil {
		return d.truncate
	}
	d.content = d.content[:size]
	return nil
}

func (d *disk) Sync() error  { d.wasSynced = true; return nil }
func (d *disk) Close() error { d.isClosed = true; return nil }

// fileOn is a File on a disk, which is a pipe if not regular.
func fileOn(d *disk, regular bool) (*File, error) {
	create := func(path string, _ int) (part, error) { return part{path: path, out: d, regular: regular}, nil }
	o := FileOptions{Path: "out.pcapng", Application: "xdpeel 1.2.3", Name: nameOf, Statistics: vniStatistics}
	return newFile(o, create, time.Now)
}

// vniStatistics are counts that tell sessions apart.
func vniStatistics(s mirror.Session) Statistics {
	return Statistics{Received: 1000 + uint64(s.VNI), Dropped: uint64(s.VNI)}
}

// checkSum wants that each packet offered is accounted for, and returns those lost.
func checkSum(t *testing.T, a mirror.OutputAccount) (lost uint64) {
	t.Helper()
	for _, n := range a.Lost {
		lost += n
	}
	if a.Offered != a.Delivered+lost {
		t.Fatalf("account %+v does not add up", a)
	}
	return lost
}

// fill writes four batches of packets of several sessions, flushed in pairs, and
// closes. It returns the errors.
func fill(f *File) (errs []error) {
	return fillLaid(f, func(b *mirror.Batch) *mirror.Batch { return b })
}

// fillLaid is fill with batches that are laid out in another way.
func fillLaid(f *File, lay func(*mirror.Batch) *mirror.Batch) (errs []error) {
	for i := range 4 {
		b := lay(batchOf(5, 50+i, 2+i))
		errs = append(errs, f.Write(b))
		if i%2 == 1 {
			errs = append(errs, f.Flush())
		}
	}
	errs = append(errs, f.Close(), f.Close())
	return errs
}

const filledPackets, filledSessions = 20, 5

func TestFullDiskAtEveryByte(t *testing.T) {
	t.Parallel()
	whole := &disk{room: 1 << 20}
	f, err := fileOn(whole, true)
	if err != nil {
		t.Fatal(err)
	}
	headerSize := len(whole.content)
	if err := errors.Join(fill(f)...); err != nil {
		t.Fatal(err)
	}
	c := mustWalk(t, whole.content)
	if len(c.packets) != filledPackets || len(c.interfaces) != filledSessions || len(c.statistics) != filledSessions {
		t.Fatalf("%d packets, %d interfaces, %d statistics blocks", len(c.packets), len(c.interfaces), len(c.statistics))
	}
	statisticsAt := len(whole.content) - filledSessions*statisticsBlockSize

	for room := range whole.content {
		d := &disk{room: room, full: syscall.ENOSPC}
		f, err := fileOn(d, true)
		if room < headerSize {
			checkWriteError(t, err, mirror.LossDiskFull, syscall.ENOSPC)
			if len(d.content) != 0 || !d.isClosed {
				t.Fatalf("room %d: %d bytes are left of no header", room, len(d.content))
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		checkWriteError(t, errors.Join(fill(f)...), mirror.LossDiskFull, syscall.ENOSPC)
		if !d.isClosed || !d.wasSynced {
			t.Fatalf("room %d: closed %v, synced %v", room, d.isClosed, d.wasSynced)
		}
		checkCutBack(t, d.content, f, room < statisticsAt)
	}
}

// checkCutBack wants a whole file that holds the packets its account says, and
// statistics that count the others.
func checkCutBack(t *testing.T, content []byte, f *File, loses bool) {
	t.Helper()
	c, a := mustWalk(t, content), f.Account()
	lost := checkSum(t, a)
	if a.Offered != filledPackets || a.Delivered != uint64(len(c.packets)) || a.Lost[mirror.LossDiskFull] != lost || (lost > 0) != loses {
		t.Fatalf("account %+v, %d packets in the file", a, len(c.packets))
	}
	lostOf := make(map[uint32]uint64)
	for i := range 4 {
		for _, p := range batchOf(5, 50+i, 2+i).Packets {
			lostOf[p.Session.VNI]++
		}
	}
	for _, p := range c.packets {
		lostOf[vniOf(t, c, p.number)]--
	}
	for i, s := range c.statistics {
		vni := vniOf(t, c, s.number)
		if s.number != uint32(i) || s.received != 1000+uint64(vni) || s.dropped != uint64(vni)+lostOf[vni] {
			t.Fatalf("statistics block %d is %+v; VNI %d lost %d here", i, s, vni, lostOf[vni])
		}
	}
}

func vniOf(t *testing.T, c capture, number uint32) (vni uint32) {
	t.Helper()
	if _, err := fmt.Sscanf(c.interfaces[number].name, "vni %d from", &vni); err != nil {
		t.Fatal(err)
	}
	return vni
}

func checkWriteError(t *testing.T, err error, loss mirror.Loss, errno error) {
	t.Helper()
	failure, ok := errors.AsType[*WriteError](err)
	if !ok || failure.Loss != loss || !errors.Is(err, errno) {
		t.Fatalf("error %v, want a *WriteError of %s: %v", err, loss, errno)
	}
}

func TestStatisticsTellOwnLosses(t *testing.T) {
	t.Parallel()
	d := &disk{room: 2000, full: syscall.EDQUOT}
	f, err := fileOn(d, true)
	if err != nil {
		t.Fatal(err)
	}
	checkWriteError(t, errors.Join(f.Write(batchOf(30, 60, 1)), f.Flush()), mirror.LossDiskFull, syscall.EDQUOT)
	mustWalk(t, d.content)
	// Losses after the error count as well, also those of a session that the file has never seen.
	for range 3 {
		if err := errors.Join(f.Write(batchOf(10, 60, 2)), f.Flush()); err != nil {
			t.Fatalf("after the first error: %v", err)
		}
	}
	d.room += statisticsBlockSize
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Write(batchOf(1, 60, 1)); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	c, a := mustWalk(t, d.content), f.Account()
	delivered := uint64(len(c.packets))
	want := mirror.OutputAccount{Offered: 61, Delivered: delivered, Lost: map[mirror.Loss]uint64{mirror.LossDiskFull: 61 - delivered}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	if got := c.statistics[0].dropped; len(c.statistics) != 1 || got != 30-delivered+15 {
		t.Errorf("%d statistics blocks, the first with %d dropped, want 1 with %d", len(c.statistics), got, 30-delivered+15)
	}
}

// A pipe cannot be cut back: nothing may follow what was torn.
func TestTornAtEveryByte(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		disk    disk
		regular bool
		loss    mirror.Loss
		errno   error
	}{
		"pipe":        {disk{full: syscall.EPIPE}, false, mirror.LossWriteError, syscall.EPIPE},
		"short write": {disk{full: nil}, false, mirror.LossWriteError, io.ErrShortWrite},
		"no cut back": {disk{full: syscall.EIO, truncate: syscall.EROFS}, true, mirror.LossIOError, syscall.EIO},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for room := 64; ; room++ {
				d := test.disk
				d.room = room
				f, err := fileOn(&d, test.regular)
				if err != nil {
					continue
				}
				err = errors.Join(fill(f)...)
				checkSum(t, f.Account())
				if err == nil {
					break
				}
				checkWriteError(t, err, test.loss, test.errno)
				whole := wholePackets(d.content)
				if a := f.Account(); a.Delivered != uint64(whole) || len(d.content) != room {
					t.Fatalf("room %d: account %+v, %d packets in %d bytes", room, a, whole, len(d.content))
				}
			}
		})
	}
}

// wholePackets counts the packets of a file that may end within a block.
func wholePackets(content []byte) (packets int) {
	for len(content) >= 12 {
		size := int(content[4]) | int(content[5])<<8
		if size > len(content) {
			break
		}
		if blockType(content[0]) == blockPacket {
			packets++
		}
		content = content[size:]
	}
	return packets
}

// A tmpfs of 64 KiB is a disk that really is full.
func TestFullFileSystem(t *testing.T) {
	directory := t.TempDir()
	labtest.Mount(t, "tmpfs", directory, "tmpfs", "size=64k")
	path := filepath.Join(directory, "out.pcapng")
	f, err := NewFile(FileOptions{Path: path, Statistics: vniStatistics})
	if err != nil {
		t.Fatal(err)
	}
	var failure error
	for range 20 {
		failure = errors.Join(failure, f.Write(batchOf(100, 99, 3)), f.Flush())
	}
	checkWriteError(t, failure, mirror.LossDiskFull, syscall.ENOSPC)
	if want := fmt.Sprintf("write %q: no space left on device", path); failure.Error() != want {
		t.Errorf("error %q, want %q", failure, want)
	}
	if content := read(t, path); len(content) < 60<<10 {
		t.Errorf("file is cut back to %d bytes", len(content))
	} else {
		mustWalk(t, content)
	}

	// What was cut off leaves less than the statistics need.
	closeErr := f.Close()
	c, a := mustWalk(t, read(t, path)), f.Account()
	if lost := checkSum(t, a); a.Offered != 2000 || a.Delivered != uint64(len(c.packets)) || lost == 0 {
		t.Errorf("account %+v, %d packets in the file", a, len(c.packets))
	}
	if (closeErr == nil) != (len(c.statistics) == 3) {
		t.Errorf("close: %v, with %d statistics blocks", closeErr, len(c.statistics))
	}

	// Not even a header fits: nothing is left behind.
	filler, err := os.Create(filepath.Join(directory, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	_, err = NewFile(FileOptions{Path: filepath.Join(directory, "second.pcapng"), Statistics: vniStatistics})
	checkWriteError(t, err, mirror.LossDiskFull, syscall.ENOSPC)
	if _, err := os.Stat(filepath.Join(directory, "second.pcapng")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file without a header is left: %v", err)
	}
}

func TestReaderGoesAway(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	f, err := NewFile(FileOptions{Path: "-", Stdout: writer, Statistics: vniStatistics})
	if err != nil {
		t.Fatal(err)
	}
	header := make([]byte, 12)
	if _, err := io.ReadFull(reader, header); err != nil { // it does not wait for a packet
		t.Fatal(err)
	}
	reader.Close()
	err = errors.Join(f.Write(batchOf(9, 60, 1)), f.Flush())
	checkWriteError(t, err, mirror.LossWriteError, syscall.EPIPE)
	if want := "write standard output: broken pipe"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if err := errors.Join(f.Write(batchOf(2, 60, 1)), f.Flush(), f.Close()); err != nil {
		t.Errorf("after the first error: %v", err)
	}
	want := mirror.OutputAccount{Offered: 11, Lost: map[mirror.Loss]uint64{mirror.LossWriteError: 11}}
	if diff := cmp.Diff(want, f.Account()); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

// The account may be asked for at any time; it never says more than was offered.
func TestAccountWhileWriting(t *testing.T) {
	t.Parallel()
	f, err := fileOn(&disk{room: 100_000, full: syscall.ENOSPC}, true)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if a := f.Account(); a.Offered < a.Delivered+a.Lost[mirror.LossDiskFull] {
				t.Errorf("account %+v", a)
			}
		}
	})
	for range 100 {
		_ = f.Write(batchOf(20, 60, 3))
		_ = f.Flush()
	}
	close(done)
	asking.Wait()
	if lost := checkSum(t, f.Account()); lost == 0 {
		t.Error("nothing was lost")
	}
}
