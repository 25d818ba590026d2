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
	batch []byte // packets with the space around them; nil: blocks are made in the buffer
	next  int    // where in it the next packet's block begins
	own   []byte // the File's own buffer, while the other is a part of the batch
	lent  bool   // it is
}

// useSpace prepares for the packets of b.
func (f *File) useSpace(b *mirror.Batch) {
	f.inPlace.batch, f.inPlace.next = nil, 0
	if _, ok := f.format.(*section); ok && f.packer == nil {
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
	row := f.takeSpace(p, size)
	fits := len(f.buffer)+size <= f.limit && !f.inPlace.lent
	if f.inPlace.lent {
		fits = row != nil
	}
	if fits && len(f.buffer) > 0 {
		return nil
	}
	if err := f.push("write"); err != nil {
		return err
	}
	if row != nil {
		f.inPlace.own, f.inPlace.lent = f.buffer, true
		f.buffer = row[:0]
	}
	return nil
}

// takeSpace returns the batch from the block of p on; nil if it comes with its interface's
// block or a comment, or if its data is not all of what comes next in the batch: what is
// made around it would spoil other data.
func (f *File) takeSpace(p *mirror.Packet, size int) []byte {
	at, bytes := f.inPlace.next, blockSpace.Around(cap(p.Data))
	if len(f.inPlace.batch)-at < bytes {
		return nil
	}
	row := f.inPlace.batch[at:]
	if len(p.Data) > 0 && &row[blockSpace.Before] != &p.Data[0] {
		return nil
	}
	f.inPlace.next += bytes
	if len(p.Data) == 0 || len(p.Data) < cap(p.Data) || size != bytes {
		return nil
	}
	return row
}

// empty forgets what waited.
func (f *File) empty() {
	if f.inPlace.lent {
		f.buffer, f.inPlace.own, f.inPlace.lent = f.inPlace.own, nil, false
	}
	f.buffer, f.waiting = f.buffer[:0], 0
}
