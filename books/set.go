// Package books keeps the accounts of outputs where they outlive the process that
// counts: in memory that somebody else provides, in which each store is of one number,
// or becomes valid by the last one. A process may be killed between any two stores, and
// its successor still counts each packet once.
package books

import (
	"sync"
	"sync/atomic"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Set is the books of all outputs.
type Set struct {
	records []BookRecord
	sheets  []SheetRecord
	flights []FlightRecord

	mu    sync.Mutex
	books []*Book // by index; nil: not in use
	free  []*SheetRecord
	wings []uint64 // numbers of flights that nobody has
}

// New returns books in memory of their own.
func New() *Set {
	return Open(make([]BookRecord, abi.LimitBooks), make([]SheetRecord, abi.LimitSheets), make([]FlightRecord, abi.LimitFlights))
}

// Open returns the books that are kept in some memory, in which a process before
// may have been killed at any instant. The memory has to last as long as the books.
func Open(records []BookRecord, sheets []SheetRecord, flights []FlightRecord) *Set {
	s := &Set{records: records, sheets: sheets, flights: flights, books: make([]*Book, len(records))}
	for i := range sheets {
		if r := &sheets[i]; r.Book > uint64(len(records)) || r.Total != 0 {
			s.finish(r)
		}
	}
	for i := range sheets { // once no book's total is on its way any more
		r := &sheets[i]
		if r.Book != 0 && r.Device == 0 {
			s.land(r)
		}
		if r.Book == 0 {
			s.free = append(s.free, r)
		}
	}
	for i := range flights {
		s.wings = append(s.wings, uint64(i)+1)
	}
	return s
}

// finish moves what is on a sheet, as far as a process had not that was killed at it.
func (s *Set) finish(r *SheetRecord) {
	if r.Book != 0 && r.Book <= uint64(len(s.records)) && r.Total != 0 {
		atomic.StoreUint64(&s.records[r.Book-1].Delivered, r.Total)
	}
	atomic.StoreUint64(&r.Book, 0)
}

// land moves what a sender has sent, who is not there any more.
func (s *Set) land(r *SheetRecord) {
	if n := r.Flight; n > 0 && n <= uint64(len(s.flights)) {
		atomic.StoreUint64(&r.Packets, s.flights[n-1].landed(r.Packets))
		atomic.StoreUint64(&s.flights[n-1].UnderWay, 0)
	}
	atomic.StoreUint64(&r.Total, s.records[r.Book-1].Delivered+r.Packets)
	s.finish(r)
}

// Take opens the book with an index, as a process before has left it.
func (s *Set) Take(index int) *Book {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := newBook(s, &s.records[index], uint64(index)+1)
	for i := range s.sheets {
		if s.sheets[i].Book == b.number {
			b.before.left[&Sheet{book: b, record: &s.sheets[i]}] = false
		}
	}
	s.books[index] = b
	return b
}

// New opens an empty book, which takes the place of one that nobody has taken. full:
// all are in use.
func (s *Set) New() (b *Book, index int, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for index := range s.records {
		if s.books[index] == nil {
			s.clear(index)
			s.books[index] = newBook(s, &s.records[index], uint64(index)+1)
			return s.books[index], index, false
		}
	}
	return nil, 0, true
}

// Drop gives up the book with an index, and what is on its sheets.
func (s *Set) Drop(index int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books[index] = nil
}

func (s *Set) clear(index int) {
	s.records[index] = BookRecord{}
	for i := range s.sheets {
		if s.sheets[i].Book == uint64(index)+1 {
			s.sheets[i].Book = 0
			s.free = append(s.free, &s.sheets[i])
		}
	}
}

// open returns a sheet of a book, nil if there is none left.
func (s *Set) open(b *Book, record SheetRecord) *Sheet {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return nil
	}
	sheet := &Sheet{book: b, record: s.free[n-1]}
	s.free = s.free[:n-1]
	*sheet.record = record
	sheet.record.begin(b.number)
	return sheet
}

// takeBack has a sheet used again.
func (s *Set) takeBack(r *SheetRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := r.Flight; n > 0 {
		s.wings = append(s.wings, n)
	}
	s.free = append(s.free, r)
}

// giveBack has a flight used again.
func (s *Set) giveBack(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wings = append(s.wings, number)
}

// wing returns the number of a flight that nobody has; 0: there is none.
func (s *Set) wing() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.wings)
	if n == 0 {
		return 0
	}
	number := s.wings[n-1]
	s.wings = s.wings[:n-1]
	return number
}
