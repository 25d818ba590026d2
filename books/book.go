package books

import (
	"bytes"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// BookRecord is struct book of bpf/abi.h.
type BookRecord struct {
	Delivered uint64
	Lost      [abi.LimitReasons]lostRecord
}

// lostRecord is struct lost of bpf/abi.h.
type lostRecord struct {
	Reason  [16]byte
	Packets uint64
}

// Book is the account of an output, kept where it outlives the process. What an output
// does to a packet is one store here; so at no instant is a packet counted twice, and
// what is counted not at all was in hand. What the packets are that it was offered is
// known apart from that: the difference is what a process had in hand that was killed.
//
// Any goroutine may call its methods. Those of a nil Book do nothing.
type Book struct {
	books  *Set
	record *BookRecord
	number uint64 // its index, from 1

	mu     sync.Mutex
	places map[mirror.Loss]*lostRecord
	before inherited
}

// inherited is what earlier processes have counted, and left to be counted.
type inherited struct {
	offered   uint64
	delivered uint64 // without what is on sheets
	lost      map[mirror.Loss]uint64
	left      map[*Sheet]bool // of files that they did not complete; true: somebody has it
}

func newBook(books *Set, record *BookRecord, number uint64) *Book {
	b := &Book{books: books, record: record, number: number, places: make(map[mirror.Loss]*lostRecord)}
	b.before = inherited{lost: make(map[mirror.Loss]uint64), left: make(map[*Sheet]bool)}
	b.before.delivered = record.Delivered
	for i := range record.Lost {
		place := &record.Lost[i]
		if reason := mirror.Loss(bytes.TrimRight(place.Reason[:], "\x00")); reason != "" {
			b.places[reason] = place
			b.before.lost[reason] = place.Packets
		}
	}
	return b
}

// Deliver counts packets that no sheet counts.
func (b *Book) Deliver(packets int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	atomic.StoreUint64(&b.record.Delivered, b.record.Delivered+uint64(packets))
}

// Lose counts packets as lost.
func (b *Book) Lose(reason mirror.Loss, packets int) {
	if b == nil || packets == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lose(reason, uint64(packets))
}

func (b *Book) lose(reason mirror.Loss, packets uint64) {
	place := b.places[reason]
	for i := 0; place == nil && i < len(b.record.Lost); i++ {
		if free := &b.record.Lost[i]; free.Reason[0] == 0 {
			free.Packets = 0
			copy(free.Reason[:], reason)
			place, b.places[reason] = free, free
		}
	}
	if place != nil { // else there are more reasons than there ever were
		atomic.StoreUint64(&place.Packets, place.Packets+packets)
	}
}

// Add counts packets as offered and lost that nobody else knows to be offered.
func (b *Book) Add(reason mirror.Loss, packets uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lose(reason, packets)
	b.before.offered += packets
	b.before.lost[reason] += packets
}

// Inherit says how many packets were offered to the output by processes before: what
// they have not counted they had in hand when they were killed.
func (b *Book) Inherit(offered uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before.offered += offered
}

// Before is the account that processes before have left, and what was added to it. It
// changes as their files are recovered.
func (b *Book) Before() mirror.OutputAccount {
	b.mu.Lock()
	defer b.mu.Unlock()
	account := mirror.OutputAccount{Delivered: b.before.delivered, Lost: maps.Clone(b.before.lost)}
	for sheet := range b.before.left {
		account.Delivered += sheet.record.Packets
	}
	known := account.Delivered
	for _, n := range account.Lost {
		known += n
	}
	account.Offered = max(known, b.before.offered)
	account.Lose(mirror.LossKilled, account.Offered-known)
	return account
}

// Open returns a sheet for a file that is begun. origin tells it from files of other
// outputs that had the name. It is nil if there are too many: then the file's packets
// are to be counted by Deliver.
func (b *Book) Open(file FileID, origin uint64) *Sheet {
	if b == nil {
		return nil
	}
	return b.books.open(b, SheetRecord{Origin: origin, Device: file.Device, Inode: file.Inode, Born: file.Born})
}

// Take returns the sheet of a file that an earlier process has left, nil without. It is
// the caller's until it is given back.
func (b *Book) Take(file FileID, origin uint64) *Sheet {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for sheet, taken := range b.before.left {
		if !taken && sheet.record.Origin == origin && sheet.file() == file {
			b.before.left[sheet] = true
			return sheet
		}
	}
	return nil
}

// TakeAll returns all sheets of an origin that earlier processes have left and nobody has.
func (b *Book) TakeAll(origin uint64) (sheets []*Sheet) {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for sheet, taken := range b.before.left {
		if !taken && sheet.record.Origin == origin {
			b.before.left[sheet] = true
			sheets = append(sheets, sheet)
		}
	}
	return sheets
}
