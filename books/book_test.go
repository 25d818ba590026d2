package books

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// memory outlives the processes of a test.
type memory struct {
	books   []BookRecord
	sheets  []SheetRecord
	flights []FlightRecord
}

func newMemory() *memory {
	return &memory{make([]BookRecord, abi.LimitBooks), make([]SheetRecord, 8), make([]FlightRecord, 4)}
}

// open is what a process does that begins, whatever became of the one before.
func (m *memory) open() *Set { return Open(m.books, m.sheets, m.flights) }

// succeed returns the first book as a successor finds it, that knows how many packets
// were offered.
func (m *memory) succeed(offered uint64) *Book {
	b := m.open().Take(0)
	b.Inherit(offered)
	return b
}

func checkBefore(t *testing.T, b *Book, delivered uint64, lost map[mirror.Loss]uint64) {
	t.Helper()
	want := mirror.OutputAccount{Delivered: delivered, Lost: lost, Offered: delivered}
	for _, n := range lost {
		want.Offered += n
	}
	if diff := cmp.Diff(want, b.Before()); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

// What a process has counted is there after it, and what it has not was in its hands.
func TestBookOutlivesProcess(t *testing.T) {
	m := newMemory()
	b, index, full := m.open().New()
	if full || index != 0 {
		t.Fatalf("index %d of new books, full %v", index, full)
	}
	b.Deliver(5)
	b.Lose(mirror.LossDiskFull, 2)
	b.Lose(mirror.LossQueueFull, 3)
	next := m.succeed(17)
	checkBefore(t, next, 5, map[mirror.Loss]uint64{mirror.LossDiskFull: 2, mirror.LossQueueFull: 3, mirror.LossKilled: 7})
	next.Add(mirror.LossOutputClosed, 4)
	next.Deliver(10) // of its own, which it counts itself
	checkBefore(t, next, 5, map[mirror.Loss]uint64{mirror.LossDiskFull: 2, mirror.LossQueueFull: 3, mirror.LossKilled: 7, mirror.LossOutputClosed: 4})
	checkBefore(t, m.succeed(17+4+10), 15, map[mirror.Loss]uint64{mirror.LossDiskFull: 2, mirror.LossQueueFull: 3, mirror.LossKilled: 7, mirror.LossOutputClosed: 4})
}

// The packets of a file that was not complete are those that are in it.
func TestSheets(t *testing.T) {
	m := newMemory()
	b, _, _ := m.open().New()
	files := []FileID{{1, 10, 100}, {1, 11, 0}, {2, 10, 100}, {1, 12, 7}}
	for i, file := range files {
		b.Open(file, 99).Count(10 * (i + 1))
	}
	complete := b.Open(FileID{1, 13, 1}, 99)
	complete.Count(1000)
	complete.Settle()
	complete.Count(1) // does nothing any more

	next := m.succeed(1200)
	checkBefore(t, next, 1100, map[mirror.Loss]uint64{mirror.LossKilled: 100})
	if next.Take(files[0], 98) != nil || next.Take(FileID{1, 10, 101}, 99) != nil {
		t.Error("a sheet of another file is taken")
	}
	more := next.Take(files[0], 99)
	more.Recount(13)
	if next.Take(files[0], 99) != nil {
		t.Error("a sheet is taken twice")
	}
	checkBefore(t, next, 1103, map[mirror.Loss]uint64{mirror.LossKilled: 97})
	more.Settle()
	less := next.Take(files[1], 99)
	less.Recount(0)
	less.Discard()
	gone := next.Take(files[2], 99)
	gone.Lose(mirror.LossFileRemoved)
	want := map[mirror.Loss]uint64{mirror.LossFileRemoved: 30, mirror.LossKilled: 117}
	checkBefore(t, next, 1053, want)
	if left := next.TakeAll(99); len(left) != 1 || left[0].File() != files[3] {
		t.Errorf("%d sheets are left, want that of one file", len(left))
	}
	checkBefore(t, m.succeed(1200), 1053, want)
}

// A process that is killed while it moves a sheet's packets counts them once.
func TestSheetIsSettledOnce(t *testing.T) {
	for name, kill := range map[string]func(b *BookRecord, s *SheetRecord){
		"before the book has them": func(b *BookRecord, s *SheetRecord) { s.Book, s.Total, b.Delivered = 1, 50, 20 },
		"after":                    func(b *BookRecord, s *SheetRecord) { s.Book, s.Total, b.Delivered = 1, 50, 50 },
		"once the sheet is free":   func(b *BookRecord, s *SheetRecord) { s.Book, s.Total, b.Delivered = 0, 50, 50 },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			b, _, _ := m.open().New()
			b.Deliver(20)
			b.Open(FileID{1, 2, 3}, 4).Count(30)
			i := len(m.sheets) - 1 // which is given out first
			kill(&m.books[0], &m.sheets[i])
			next := m.succeed(60)
			checkBefore(t, next, 50, map[mirror.Loss]uint64{mirror.LossKilled: 10})
			if next.Take(FileID{1, 2, 3}, 4) != nil {
				t.Error("a sheet is there whose packets the book has")
			}
			next.Open(FileID{5, 6, 7}, 4).Count(1)
			checkBefore(t, m.succeed(61), 51, map[mirror.Loss]uint64{mirror.LossKilled: 10})
		})
	}
}

// Frames that the kernel has taken are delivered, whether or not the sender knew.
func TestFlight(t *testing.T) {
	m := newMemory()
	b, _, _ := m.open().New()
	f := b.NewFlight()
	take := func(n int) {
		for i := range n {
			binary.NativeEndian.PutUint32(f.Messages()[i*messageBytes+messageTaken:], 60)
		}
	}
	f.Begin(64)
	take(64)
	f.Sheet().Count(64)
	f.End()
	f.Begin(10) // the first message of the flight before was taken: not of this one
	snapshot := func() *memory {
		copied := newMemory()
		copy(copied.books, m.books)
		copy(copied.sheets, m.sheets)
		copy(copied.flights, m.flights)
		return copied
	}
	checkBefore(t, snapshot().succeed(74), 64, map[mirror.Loss]uint64{mirror.LossKilled: 10})
	take(7)
	checkBefore(t, snapshot().succeed(74), 71, map[mirror.Loss]uint64{mirror.LossKilled: 3})
	f.Sheet().Count(7)
	checkBefore(t, snapshot().succeed(74), 71, map[mirror.Loss]uint64{mirror.LossKilled: 3})
	f.End()
	checkBefore(t, snapshot().succeed(74), 71, map[mirror.Loss]uint64{mirror.LossKilled: 3})
	f.Close()
	checkBefore(t, m.succeed(74), 71, map[mirror.Loss]uint64{mirror.LossKilled: 3})
}

// A book has room for every reason there is.
func TestReasonsFit(t *testing.T) {
	places := len(BookRecord{}.Lost)
	if len(mirror.Losses()) > places {
		t.Errorf("%d reasons, a book has room for %d", len(mirror.Losses()), places)
	}
	for _, reason := range mirror.Losses() {
		if len(reason) > len(lostRecord{}.Reason) {
			t.Errorf("%s is longer than a book can name", reason)
		}
	}
}
