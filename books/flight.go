package books

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// messageBytes is the length of struct mmsghdr on 64-bit machines (sendmmsg(2)), in
// which the kernel writes at messageTaken how many bytes it has taken.
const (
	messageBytes = 64
	messageTaken = 56
)

// FlightRecord is struct flight of bpf/abi.h.
type FlightRecord struct {
	UnderWay uint64
	Before   uint64
	Messages [abi.LimitFlight * messageBytes]byte
}

// landed is how many packets a sheet has, of which packets are counted.
func (r *FlightRecord) landed(packets uint64) uint64 {
	if r.UnderWay == 0 {
		return packets
	}
	packets = r.Before
	for i := range min(r.UnderWay, abi.LimitFlight) {
		if binary.NativeEndian.Uint32(r.Messages[i*messageBytes+messageTaken:]) > 0 {
			packets++
		}
	}
	return packets
}

// Flight is where a sender has the messages that it hands to the kernel at once. The
// kernel writes there of each that it has taken it, and so a successor knows how many
// were sent when this process was killed, whenever that was. One goroutine at a time may
// call its methods; those of a nil Flight do nothing.
type Flight struct {
	sheet  *Sheet
	record *FlightRecord
}

// NewFlight returns one for a new sender; nil if there are too many.
func (b *Book) NewFlight() *Flight {
	if b == nil {
		return nil
	}
	number := b.books.wing()
	if number == 0 {
		return nil
	}
	f := &Flight{record: &b.books.flights[number-1]}
	f.record.UnderWay = 0
	if f.sheet = b.books.open(b, SheetRecord{Flight: number}); f.sheet == nil {
		b.books.giveBack(number)
		return nil
	}
	return f
}

// Messages is the room for abi.LimitFlight of struct mmsghdr.
func (f *Flight) Messages() *[abi.LimitFlight * messageBytes]byte { return &f.record.Messages }

// Begin says that the first so many messages are about to be handed to the kernel.
func (f *Flight) Begin(messages int) {
	if f == nil {
		return
	}
	for i := range messages {
		binary.NativeEndian.PutUint32(f.record.Messages[i*messageBytes+messageTaken:], 0)
	}
	atomic.StoreUint64(&f.record.Before, f.sheet.record.Packets)
	atomic.StoreUint64(&f.record.UnderWay, uint64(messages))
}

// End says that what the kernel has taken of them is on the sheet.
func (f *Flight) End() {
	if f != nil {
		atomic.StoreUint64(&f.record.UnderWay, 0)
	}
}

// Sheet counts what was sent.
func (f *Flight) Sheet() *Sheet {
	if f == nil {
		return nil
	}
	return f.sheet
}

// Close moves the packets to the book.
func (f *Flight) Close() {
	if f != nil {
		f.sheet.Settle()
	}
}
