package export

import (
	"slices"
	"sync"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Backlog is the row of the newest batches, from which every output takes packets
// at its own pace. One goroutine fills it and never waits: where all batches are
// taken, the oldest is given up, and it is lost to those alone that have not had it.
//
// All outputs read the same bytes. So memory is bounded whatever they do: by the
// batches of the row, and one more for each follower, which may hold one that was
// given up while it read it.
type Backlog struct {
	mu        sync.Mutex
	limit     int        // batches of the row
	row       []*segment // consecutive numbers, oldest first; the last is being filled
	free      []*segment
	followers []*Follower
	published mirror.Tally // packets that there ever were, for each slot
	orphaned  func(slot int, packets uint64)
}

// segment is a batch of the row.
type segment struct {
	*mirror.Batch
	number    uint64           // its place among all there ever were
	published []mirror.Packet  // those that followers may have
	named     mirror.OutputSet // by any of these
	holders   int              // followers that read in it
	givenUp   bool             // no longer in the row
}

// SegmentBytes is the memory that a batch of the backlog takes.
const SegmentBytes = mirror.BatchBytes + mirror.BatchPackets*mirror.PacketBytes

// NewBacklog returns a backlog whose row takes at most so many bytes, but has at
// least two batches. They are made when they are first needed.
func NewBacklog(bytes int64) *Backlog {
	b := &Backlog{limit: max(int(bytes/int64(SegmentBytes)), 2)}
	b.row = []*segment{b.take()}
	return b
}

// Continue says how many packets for each slot there were before the first, and who is
// told of packets that name a slot nobody follows for. It is for the beginning.
func (b *Backlog) Continue(before mirror.SlotCounts, orphaned func(slot int, packets uint64)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.published, b.orphaned = mirror.TallyFrom(before), orphaned
}

// Batch returns the batch that the next packets belong into: it has room for at
// least one of the largest. It is for the goroutine that publishes.
func (b *Backlog) Batch() *mirror.Batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := b.row[len(b.row)-1]
	switch {
	case len(last.published) > 0 && b.isDone(last):
		b.restart(last)
	case last.Room(abi.LimitSnapLength) == nil:
		last = b.extend()
	}
	return last.Batch
}

// isDone says whether all have had the packets of the last batch: then it can be
// filled again while it is in the cache.
func (b *Backlog) isDone(last *segment) bool {
	if len(b.row) > 1 || last.holders > 0 {
		return false
	}
	for _, f := range b.followers {
		if f.due {
			return false
		}
	}
	return true
}

// restart empties the last batch.
func (b *Backlog) restart(last *segment) {
	last.Reset()
	last.published, last.named = nil, 0
	for _, f := range b.followers {
		f.at = place{last.number, 0}
	}
}

// extend begins another batch, and gives up the oldest if there are enough.
func (b *Backlog) extend() *segment {
	for _, f := range b.followers {
		if !f.due {
			f.at = place{b.end().segment + 1, 0}
		}
	}
	b.trim()
	if len(b.row) == b.limit {
		b.giveUp()
	}
	next := b.take()
	next.number = b.end().segment + 1
	b.row = append(b.row, next)
	return next
}

// take returns an empty batch.
func (b *Backlog) take() *segment {
	if n := len(b.free); n > 0 {
		s := b.free[n-1] // the last one that was read: it is in the cache, if any is
		b.free = b.free[:n-1]
		s.Reset()
		s.published, s.named, s.givenUp = nil, 0, false
		return s
	}
	return &segment{Batch: mirror.NewBatch(mirror.BatchPackets, mirror.BatchBytes)}
}

// giveUp takes the oldest batch away from all that have not read it.
func (b *Backlog) giveUp() {
	oldest := b.row[0]
	for _, f := range b.followers {
		if f.at.segment == oldest.number {
			f.lose(oldest)
			f.at = place{oldest.number + 1, 0}
		}
	}
	b.drop()
}

// trim drops the batches that all have read, but for the last.
func (b *Backlog) trim() {
	for len(b.row) > 1 {
		for _, f := range b.followers {
			if f.at.segment == b.row[0].number {
				return
			}
		}
		b.drop()
	}
}

// drop takes the oldest batch out of the row.
func (b *Backlog) drop() {
	oldest := b.row[0]
	copy(b.row, b.row[1:])
	b.row = b.row[:len(b.row)-1]
	oldest.givenUp = true
	if oldest.holders == 0 {
		b.free = append(b.free, oldest)
	}
}

// release is of a follower that has read what it held.
func (b *Backlog) release(s *segment) {
	if s.holders--; s.holders == 0 && s.givenUp {
		b.free = append(b.free, s)
	}
}

// Publish gives out what was added to the batch that Batch returned last.
func (b *Backlog) Publish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := b.row[len(b.row)-1]
	added := last.Packets[len(last.published):]
	last.published = last.Packets
	named := b.published.CountAll(added)
	var followed mirror.OutputSet
	last.named |= named
	for _, f := range b.followers {
		if f.left {
			continue
		}
		followed |= 1 << f.slot
		if named.Has(f.slot) {
			f.due = true
			f.wake()
		}
	}
	if orphans := named &^ followed; orphans != 0 {
		b.disclaim(added, orphans)
	}
}

// disclaim tells of packets that name outputs nobody follows for.
func (b *Backlog) disclaim(packets []mirror.Packet, orphans mirror.OutputSet) {
	if b.orphaned == nil {
		return
	}
	var counts mirror.SlotCounts
	for i := range packets {
		counts.Add(packets[i].Outputs&orphans, 1)
	}
	for slot, n := range counts {
		if n > 0 {
			b.orphaned(slot, n)
		}
	}
}

// Waits reports whether there are packets that an output has not had, or reads.
func (b *Backlog) Waits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.followers, func(f *Follower) bool { return f.due })
}

// end is the place behind the last published packet.
func (b *Backlog) end() place {
	last := b.row[len(b.row)-1]
	return place{last.number, len(last.published)}
}
