package mirror

import "unsafe"

// Batch is a run of packets and the bytes they refer to, filled at one end of a
// pipeline and drained at the other. It allocates when it is made and not again.
type Batch struct {
	// Packets in order of time. Their Data is the batch's own and lasts until Reset.
	Packets []Packet
	arena   []byte
	space   Space
}

// Space is what a batch leaves free around the data of each packet, in bytes. Behind
// the data comes first what makes its length a multiple of four.
type Space struct{ Before, After int }

// Around is how many bytes of a batch n bytes of data take.
func (s Space) Around(n int) int {
	if s == (Space{}) {
		return n
	}
	return s.Before + (n+3)&^3 + s.After
}

// What a batch holds that several read, or that comes out of a file: some milliseconds
// of packets at a million a second, in so few bytes that they are still in the last cache
// when they are written, and at the least one packet of the largest.
const (
	BatchPackets = 4096
	BatchBytes   = 1 << 20
)

// PacketBytes is what a batch has for each packet besides its data.
const PacketBytes = int(unsafe.Sizeof(Packet{}))

// NewBatch returns an empty batch that holds at most packets packets and bytes
// bytes of their data.
func NewBatch(packets, bytes int) *Batch {
	return &Batch{Packets: make([]Packet, 0, packets), arena: make([]byte, 0, bytes)}
}

// NewSpacedBatch returns one that leaves space around each packet's data, into which
// the only one who reads the batch may write.
func NewSpacedBatch(packets, bytes int, space Space) *Batch {
	b := NewBatch(packets, bytes)
	b.space = space
	return b
}

// Spaced returns the data of all packets in a row, each with the space around it,
// or nil if the batch has not left just this space.
func (b *Batch) Spaced(space Space) []byte {
	if b.space != space {
		return nil
	}
	return b.arena
}

// Room returns n bytes of the batch's own for the data of the next packet, or
// nil if the batch is full. They count as used only once a packet is added.
func (b *Batch) Room(n int) []byte {
	used := len(b.arena)
	if len(b.Packets) == cap(b.Packets) || cap(b.arena)-used < b.space.Around(n) {
		return nil
	}
	used += b.space.Before
	return b.arena[used : used+n : used+n]
}

// Add appends p, whose Data must be what the last call of Room returned, or a
// prefix of it.
func (b *Batch) Add(p Packet) {
	b.arena = b.arena[:len(b.arena)+b.space.Around(len(p.Data))]
	b.Packets = append(b.Packets, p)
}

// Append adds a packet with data, which must be as Add wants it, and returns it to
// be filled in: nothing else in it is of use yet.
func (b *Batch) Append(data []byte) *Packet {
	b.arena = b.arena[:len(b.arena)+b.space.Around(len(data))]
	n := len(b.Packets)
	b.Packets = b.Packets[:n+1]
	p := &b.Packets[n]
	p.Data = data
	return p
}

// Reset empties the batch for reuse.
func (b *Batch) Reset() {
	b.Packets, b.arena = b.Packets[:0], b.arena[:0]
}
