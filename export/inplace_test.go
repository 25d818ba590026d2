package export

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/mirror"
)

// spaced is a batch laid out as a capture's with the packets of b.
func spaced(b *mirror.Batch) *mirror.Batch {
	bytes := 0
	for _, p := range b.Packets {
		bytes += blockSpace.Around(len(p.Data))
	}
	s := mirror.NewSpacedBatch(len(b.Packets), bytes, blockSpace)
	for _, p := range b.Packets {
		room := s.Room(len(p.Data))
		copy(room, p.Data)
		p.Data = room
		s.Add(p)
	}
	return s
}

// mixedBatches are batches in which packets without a comment stand alone, in rows, behind
// interfaces and behind others, of all lengths that padding tells apart.
func mixedBatches() (batches []*mirror.Batch) {
	for i := range 6 {
		b := batchOf(12, 60+i, 2+i)
		for j := range b.Packets {
			p := &b.Packets[j]
			for k := range p.Data {
				p.Data[k] = byte(i + j + k)
			}
			if j > 3 {
				p.Endpoint = uint64(j / 9)
			}
		}
		batches = append(batches, b)
	}
	return append(batches, batchOf(2, 0, 2), batchOf(3, 1, 9))
}

// writeMixed writes them, in place or not, some packets at a time.
func writeMixed(f *File, inPlace bool) (errs []error) {
	f.limit = 300
	for _, b := range mixedBatches() {
		if inPlace {
			b = spaced(b)
		}
		errs = append(errs, f.Write(b), f.Flush())
	}
	return append(errs, f.Close())
}

// contentsOf are the files that the mixed batches make, in place or not.
func contentsOf(t *testing.T, o FileOptions, inPlace bool) (contents [][]byte) {
	t.Helper()
	var disks []*disk
	create := func(path string, _ int) (part, error) {
		d := &disk{room: 1 << 20}
		disks = append(disks, d)
		return part{path: path, out: d, regular: true}, nil
	}
	o.Path, o.Statistics = "out.pcapng", vniStatistics
	f, err := newFile(o, create, time.Now)
	if err = errors.Join(append(writeMixed(f, inPlace), err)...); err != nil {
		t.Fatal(err)
	}
	for _, d := range disks {
		contents = append(contents, d.content)
	}
	return contents
}

// Rotated files end behind the same packets, and times are put in order likewise.
func TestInPlaceMakesTheSameFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options FileOptions
		files   int
	}{
		"one":                {FileOptions{}, 1},
		"by size":            {FileOptions{RotateSize: 1500}, 12},
		"by time":            {FileOptions{RotateEvery: 5}, 3},
		"live":               {FileOptions{Live: true}, 1},
		"live, by both":      {FileOptions{Live: true, RotateSize: 2500, RotateEvery: 5}, 8},
		"live, with a limit": {FileOptions{Live: true, RotateSize: 2500, Files: 2}, 6},
	} {
		copied, inPlace := contentsOf(t, test.options, false), contentsOf(t, test.options, true)
		if len(copied) != test.files || len(inPlace) != test.files {
			t.Fatalf("%s: %d and %d files, want %d", name, len(copied), len(inPlace), test.files)
		}
		for n := range copied {
			if !bytes.Equal(copied[n], inPlace[n]) {
				t.Errorf("%s: file %d: %d and %d bytes that differ", name, n, len(copied[n]), len(inPlace[n]))
			}
		}
		if packets := packetsIn(t, inPlace); packets != 77 {
			t.Errorf("%s: %d packets, want 77", name, packets)
		}
	}
}

func packetsIn(t *testing.T, contents [][]byte) (packets int) {
	t.Helper()
	for _, content := range contents {
		packets += len(mustWalk(t, content).packets)
	}
	return packets
}

// plainBatches are batches of packets without a comment, of one session.
func plainBatches() (batches []*mirror.Batch) {
	for i := range 5 {
		b := batchOf(12, 60+i, 1)
		for j := range b.Packets {
			p := &b.Packets[j]
			p.Endpoint = 0
			for k := range p.Data {
				p.Data[k] = byte(7*i + 3*j + k)
			}
		}
		batches = append(batches, b)
	}
	return batches
}

// oddBatches are batches that do not hold, in order, whole, what the reader put there.
var oddBatches = map[string]func(b *mirror.Batch){
	"a packet skipped":    func(b *mirror.Batch) { b.Packets = slices.Delete(b.Packets, 3, 4) },
	"every other skipped": func(b *mirror.Batch) { b.Packets = everyOther(b.Packets) },
	"the first skipped":   func(b *mirror.Batch) { b.Packets = b.Packets[1:] },
	"only the last":       func(b *mirror.Batch) { b.Packets = b.Packets[len(b.Packets)-1:] },
	"out of order":        func(b *mirror.Batch) { slices.Reverse(b.Packets) },
	"two have changed":    func(b *mirror.Batch) { b.Packets[4], b.Packets[5] = b.Packets[5], b.Packets[4] },
	"one cut":             func(b *mirror.Batch) { shorten(&b.Packets[5], 7) },
	"one cut by a byte":   func(b *mirror.Batch) { p := &b.Packets[5]; shorten(p, len(p.Data)-1) },
	"all cut": func(b *mirror.Batch) {
		for i := range b.Packets {
			shorten(&b.Packets[i], i)
		}
	},
	"one cut to nothing":   func(b *mirror.Batch) { shorten(&b.Packets[6], 0) },
	"one without data":     func(b *mirror.Batch) { b.Packets[6].Data = nil },
	"one cut at its front": func(b *mirror.Batch) { b.Packets[5].Data = b.Packets[5].Data[4:] },
	"one of another batch": func(b *mirror.Batch) { b.Packets[5] = spaced(batchOf(12, 50, 1)).Packets[5] },
	"the first of another": func(b *mirror.Batch) { b.Packets[0] = spaced(batchOf(12, 50, 1)).Packets[0] },
	"one of the heap":      func(b *mirror.Batch) { b.Packets[5].Data = bytes.Clone(b.Packets[5].Data) },
	"one twice":            func(b *mirror.Batch) { b.Packets = slices.Insert(b.Packets, 5, b.Packets[5]) },
	"one cut and whole": func(b *mirror.Batch) {
		b.Packets = slices.Insert(b.Packets, 5, b.Packets[5])
		shorten(&b.Packets[5], 9)
	},
	"one cut by a byte and whole": func(b *mirror.Batch) {
		b.Packets = slices.Insert(b.Packets, 5, b.Packets[5])
		shorten(&b.Packets[5], len(b.Packets[5].Data)-1)
	},
	"one whole and cut": func(b *mirror.Batch) {
		b.Packets = slices.Insert(b.Packets, 5, b.Packets[5])
		shorten(&b.Packets[6], 9)
	},
}

func shorten(p *mirror.Packet, n int) { p.Data = p.Data[:min(n, len(p.Data))] }

func everyOther(packets []mirror.Packet) (some []mirror.Packet) {
	for i := 0; i < len(packets); i += 2 {
		some = append(some, packets[i])
	}
	return some
}

// What a File is given may be less than the batch that leaves space, or in another order:
// the file has the packets as they are.
func TestInPlaceTakesNothingForGranted(t *testing.T) {
	t.Parallel()
	for name, change := range oddBatches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var contents [2][]byte
			for i, inPlace := range []bool{false, true} {
				d := &disk{room: 1 << 20}
				f, err := fileOn(d, true)
				errs := []error{err}
				for _, b := range plainBatches() {
					if inPlace {
						b = spaced(b)
					}
					errs = append(errs, f.Write(b), f.Flush())
					if inPlace {
						b = spaced(b)
					}
					change(b)
					errs = append(errs, f.Write(b), f.Flush())
				}
				if err := errors.Join(append(errs, f.Close())...); err != nil {
					t.Fatal(err)
				}
				contents[i] = d.content
			}
			mustWalk(t, contents[1])
			if !bytes.Equal(contents[0], contents[1]) {
				t.Errorf("%d and %d bytes that differ", len(contents[0]), len(contents[1]))
			}
		})
	}
}

// A comment now and then costs no write for each packet around it.
func TestInPlaceWritesSeldom(t *testing.T) {
	t.Parallel()
	d := &countedDisk{disk: disk{room: 1 << 20}}
	create := func(path string, _ int) (part, error) { return part{path: path, out: d, regular: true}, nil }
	f, err := newFile(FileOptions{Path: "out.pcapng", Statistics: vniStatistics}, create, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := batchOf(1000, 60, 1)
	if err := f.Write(spaced(b)); err != nil {
		t.Fatal(err)
	}
	d.writes = 0
	if err := errors.Join(f.Write(spaced(b)), f.Flush()); err != nil {
		t.Fatal(err)
	}
	if d.writes > 2 {
		t.Errorf("%d writes, want the packets before the first comment and all others", d.writes)
	}
}

// countedDisk counts writes.
type countedDisk struct {
	disk
	writes int
}

func (d *countedDisk) Write(p []byte) (int, error) { d.writes++; return d.disk.Write(p) }

func TestInPlaceFullDiskAtEveryByte(t *testing.T) {
	t.Parallel()
	whole := &disk{room: 1 << 20}
	f, err := fileOn(whole, true)
	headerSize := len(whole.content)
	if err = errors.Join(append(fillLaid(f, spaced), err)...); err != nil {
		t.Fatal(err)
	}
	statisticsAt := len(whole.content) - filledSessions*statisticsBlockSize
	for room := headerSize; room < len(whole.content); room++ {
		d := &disk{room: room, full: syscall.ENOSPC}
		f, err := fileOn(d, true)
		if err != nil {
			t.Fatal(err)
		}
		checkWriteError(t, errors.Join(fillLaid(f, spaced)...), mirror.LossDiskFull, syscall.ENOSPC)
		checkCutBack(t, d.content, f, room < statisticsAt)
	}
}

// fresh is a full batch as the reader of a capture leaves it, of packets of n bytes.
func fresh(n int) *mirror.Batch {
	b := NewCaptureBatch()
	for room := b.Room(n); room != nil; room = b.Room(n) {
		b.Add(mirror.Packet{Time: at, Session: web, Length: n, Data: room})
	}
	return b
}

// A capture's way to a file that takes all: with the times as they are, as benchmarks
// have them, and with a live capture's.
func BenchmarkInPlace(b *testing.B) {
	for name, live := range map[string]bool{"still": false, "live": true} {
		b.Run(name, func(b *testing.B) {
			f, err := NewFile(FileOptions{Path: "-", Stdout: io.Discard, Statistics: noStatistics, Live: live})
			if err != nil {
				b.Fatal(err)
			}
			batch := fresh(64)
			for b.Loop() {
				if err := f.Write(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Packets)), "ns/packet")
		})
	}
}
