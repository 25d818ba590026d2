package loader

import (
	"sync/atomic"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// takings is how far the rings are read, and how many packets were taken out of them:
// both at one instant, so that a process that is killed has taken each packet or not.
//
// It is kept in two cells that are written in turn, each of a number, the packets of
// each slot, and the position in each ring. That with the higher number counts. A
// cell's number is written last, and only then is the kernel told of the positions.
type takings struct {
	cells [2][]uint64
	at    int // the cell that counts
	tally mirror.Tally
}

// cellHead is how many words a cell has before its positions.
const cellHead = 1 + abi.LimitOutputs

// takingsWords is how many words the takings of some rings have.
func takingsWords(rings int) uint32 { return uint32(2 * (cellHead + rings)) }

func openTakings(words []uint64, rings int) *takings {
	size := cellHead + rings
	t := &takings{cells: [2][]uint64{words[:size], words[size : 2*size]}}
	if t.cells[1][0] > t.cells[0][0] {
		t.at = 1
	}
	t.tally = mirror.TallyFrom(mirror.SlotCounts(t.cells[t.at][1:cellHead]))
	return t
}

// position is where a ring is read from.
func (t *takings) position(ring int) uint64 { return t.cells[t.at][cellHead+ring] }

// commit says that all that is skipped in the rings is taken.
func (t *takings) commit(rings []*ring) {
	current, next := t.cells[t.at], t.cells[1-t.at]
	moved := false
	for i, ring := range rings {
		next[cellHead+i] = ring.position
		moved = moved || ring.position != current[cellHead+i]
	}
	if !moved {
		return
	}
	copy(next[1:], t.tally.Sums()[:])
	atomic.StoreUint64(&next[0], current[0]+1)
	t.at = 1 - t.at
}
