package books

import (
	"sync/atomic"

	"github.com/xdpeel/xdpeel/mirror"
)

// SheetRecord is struct sheet of bpf/abi.h.
type SheetRecord struct {
	Book    uint64 // number, 0: the sheet is free
	Origin  uint64
	Device  uint64
	Inode   uint64
	Born    uint64
	Packets uint64
	Total   uint64
	Flight  uint64 // number, 0: none
}

// begin gives a sheet that is filled in to a book.
func (r *SheetRecord) begin(book uint64) { atomic.StoreUint64(&r.Book, book) }

// FileID tells a file from all others that there are or were.
type FileID struct {
	Device, Inode uint64
	Born          uint64 // nanoseconds since the Unix epoch, 0: not known
}

// Sheet counts the packets that are delivered to one file, apart from its output's book
// until the file is complete: if the process is killed before, its successor counts
// what is in the file. One goroutine at a time may call its methods. Those of a nil Sheet
// do nothing, as do those of one that is moved, lost or dropped.
type Sheet struct {
	book   *Book
	record *SheetRecord // nil: the sheet is another's now
}

// isOpen says whether there is something to count on.
func (s *Sheet) isOpen() bool { return s != nil && s.record != nil }

func (s *Sheet) file() FileID { return FileID{s.record.Device, s.record.Inode, s.record.Born} }

// File is the file whose packets it counts.
func (s *Sheet) File() FileID {
	if !s.isOpen() {
		return FileID{}
	}
	return s.file()
}

// Count adds packets.
func (s *Sheet) Count(packets int) {
	if s.isOpen() {
		atomic.StoreUint64(&s.record.Packets, s.record.Packets+uint64(packets))
	}
}

// Recount says how many packets are in the file, whatever was counted.
func (s *Sheet) Recount(packets int) {
	if !s.isOpen() {
		return
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	atomic.StoreUint64(&s.record.Packets, uint64(packets))
}

// Settle moves the packets to the book: the file is complete and has its name.
func (s *Sheet) Settle() {
	if !s.isOpen() {
		return
	}
	b := s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	packets := s.record.Packets
	if total := b.record.Delivered + packets; total > 0 {
		// A successor does the second, should this process be killed between the two.
		atomic.StoreUint64(&s.record.Total, total)
		atomic.StoreUint64(&b.record.Delivered, total)
	}
	if s.drop() {
		b.before.delivered += packets
	}
}

// Lose moves the packets to those that are lost: the file is gone, or no good.
func (s *Sheet) Lose(reason mirror.Loss) {
	if !s.isOpen() {
		return
	}
	b := s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	packets := s.record.Packets
	isLeft := s.drop()
	if packets == 0 {
		return
	}
	b.lose(reason, packets)
	if isLeft {
		b.before.lost[reason] += packets
	}
}

// Discard forgets the packets: there are none.
func (s *Sheet) Discard() {
	if !s.isOpen() {
		return
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.drop()
}

// Return gives back a sheet that an earlier process has left, for another to take.
func (s *Sheet) Return() {
	if !s.isOpen() {
		return
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.before.left[s] = false
}

// drop frees the sheet, and reports whether an earlier process had left it.
func (s *Sheet) drop() (isLeft bool) {
	b := s.book
	_, isLeft = b.before.left[s]
	delete(b.before.left, s)
	atomic.StoreUint64(&s.record.Book, 0)
	b.books.takeBack(s.record)
	s.record = nil
	return isLeft
}
