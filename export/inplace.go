package export

import "github.com/xdpeel/xdpeel/mirror"

// blockSpace is what the block of a packet has around its data, if it has no comment.
var blockSpace = mirror.Space{Before: packetHeaderSize, After: packetTrailerSize}

// What a batch for one File alone holds. It is written at once and need not wait for
// others, so it is small: what the reader has put there is still in a near cache.
const (
	captureBatchPackets = 1024
	captureBatchBytes   = 256 << 10
)

// NewCaptureBatch returns a batch for one File alone: it leaves space in which a File
// of pcapng makes its blocks, so that the bytes of packets are written from where the
// reader put them. It has room for one packet of the largest.
func NewCaptureBatch() *mirror.Batch {
	return mirror.NewSpacedBatch(captureBatchPackets, captureBatchBytes, blockSpace)
}

// inPlace is how far a File is with a batch in which it makes blocks in place. While
// the File's buffer is a part of the batch, nothing but the next block in place may be
// appended to it.
type inPlace struct {
	section *section // the File's format, if it makes such blocks
	batch   []byte   // packets with the space around them, from the next one on; nil: blocks are made in the buffer
	own     []byte   // the File's own buffer, while the other is a part of the batch
	lent    bool     // it is
}

// useSpace prepares for the packets of b.
func (f *File) useSpace(b *mirror.Batch) {
	if f.inPlace.section != nil {
		f.inPlace.batch = b.Spaced(blockSpace)
	}
}

// leaveSpace writes what is in the batch, which will be filled again.
func (f *File) leaveSpace() error {
	f.inPlace.batch = nil
	if !f.inPlace.lent {
		return nil
	}
	return f.push("write")
}

// makeRoom writes what waits if the blocks of p, of size bytes, cannot be appended to
// it; and has them made in place if they can be. Behind blocks that were copied the
// next ones are copied too, while there is room: a write for each of them would cost more.
func (f *File) makeRoom(p *mirror.Packet, size int) error {
	row := f.inPlace.batch
	rest, isInPlace := behind(row, p, size)
	f.inPlace.batch = rest
	fits := isInPlace
	if !f.inPlace.lent {
		fits = len(f.buffer)+size <= f.limit
	}
	if fits && len(f.buffer) > 0 {
		return nil
	}
	if err := f.push("write"); err != nil {
		return err
	}
	if isInPlace {
		f.inPlace.own, f.inPlace.lent = f.buffer, true
		f.buffer = row[:0]
	}
	return nil
}

// behind returns what is in a batch behind the space of p, and whether a block of size
// bytes may be made there: not if it comes with its interface's block or a comment, nor
// if its data is not all of what comes next, since what is made around it would spoil
// other data.
func behind(batch []byte, p *mirror.Packet, size int) (rest []byte, isInPlace bool) {
	bytes := blockSpace.Around(cap(p.Data))
	if len(batch) < bytes || len(p.Data) > 0 && &batch[blockSpace.Before] != &p.Data[0] {
		return batch, false
	}
	return batch[bytes:], len(p.Data) > 0 && len(p.Data) == cap(p.Data) && size == bytes
}

// takeRow does with the packets at the beginning what add does with each, as long as
// they go on a row of blocks in place, into this file and with their own times. It
// returns how many there are. For most packets of a capture that is all that is done.
func (f *File) takeRow(packets []mirror.Packet) (taken int) {
	if !f.inPlace.lent {
		return 0
	}
	s, row, batch := f.inPlace.section, f.buffer, f.inPlace.batch
	room, earliest, rotates := f.room(), f.stamps.earliest(), f.options.RotateEvery > 0
	for ; taken < len(packets); taken++ {
		p := &packets[taken]
		number, known := s.number(p.Session)
		size := s.packetSize(p)
		rest, isInPlace := behind(batch, p, size)
		if !known || !isInPlace || len(row)+size > room || p.Time < earliest || rotates && f.isPast(p.Time) {
			break
		}
		row, batch = row[:len(row)+size], rest
		s.putPacket(row[len(row)-size:], p, number)
		if f.stamps != nil {
			earliest = p.Time
		}
	}
	f.buffer, f.inPlace.batch = row, batch
	f.waiting += taken
	f.run.packets += taken
	if f.stamps != nil && taken > 0 {
		f.stamps.last = earliest
	}
	return taken
}

// empty forgets what waited.
func (f *File) empty() {
	if f.inPlace.lent {
		f.buffer, f.inPlace.own, f.inPlace.lent = f.inPlace.own, nil, false
	}
	f.buffer, f.waiting = f.buffer[:0], 0
}
