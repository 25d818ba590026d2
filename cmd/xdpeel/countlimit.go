package main

import "github.com/xdpeel/xdpeel/mirror"

// countLimit ends a capture after so many packets.
type countLimit struct {
	limited bool   // whether left is looked at
	left    uint64 // packets that may still be written
	beyond  uint64 // packets that came after the last one that was asked for
}

// limitOf returns the limit of -c, 0 for none.
func limitOf(count uint64) countLimit { return countLimit{limited: count > 0, left: count} }

// apply takes from the batch what is beyond the count, and reports whether the count is reached.
func (l *countLimit) apply(batch *mirror.Batch) bool {
	if !l.limited {
		return false
	}
	wanted := min(l.left, uint64(len(batch.Packets)))
	l.left -= wanted
	l.beyond += uint64(len(batch.Packets)) - wanted
	batch.Packets = batch.Packets[:wanted]
	return l.left == 0
}
