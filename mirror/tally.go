package mirror

import (
	"math/bits"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// SlotCounts are packets by the slot of the output that they are for.
type SlotCounts [abi.LimitOutputs]uint64

// Add adds packets to the slots of a set.
func (c *SlotCounts) Add(set OutputSet, packets uint64) {
	for rest := uint32(set); rest != 0; rest &= rest - 1 {
		c[bits.TrailingZeros32(rest)] += packets
	}
}

// Tally counts packets one by one into slots. Packets in a row are mostly for the same
// outputs, so those are added up at once, as soon as one is for others or the sums are
// asked for. The zero value has counted none.
type Tally struct {
	sums    SlotCounts
	outputs OutputSet // of the packets that came last,
	run     uint64    // of which so many are not in sums yet
}

// TallyFrom returns a tally that goes on from sums.
func TallyFrom(sums SlotCounts) Tally { return Tally{sums: sums} }

// Count counts a packet.
func (t *Tally) Count(outputs OutputSet) {
	if outputs != t.outputs {
		t.turn(outputs)
	}
	t.run++
}

// turn begins a run of other packets.
func (t *Tally) turn(outputs OutputSet) {
	t.sums.Add(t.outputs, t.run)
	t.outputs, t.run = outputs, 0
}

// CountAll counts packets, and returns the outputs that any of them is for.
func (t *Tally) CountAll(packets []Packet) (named OutputSet) {
	for from, to := 0, 0; from < len(packets); from = to {
		outputs := packets[from].Outputs
		for to = from + 1; to < len(packets) && packets[to].Outputs == outputs; {
			to++
		}
		t.sums.Add(outputs, uint64(to-from))
		named |= outputs
	}
	return named
}

// Sums returns the packets counted so far. They are valid until the next call of any
// method.
func (t *Tally) Sums() *SlotCounts {
	t.turn(t.outputs)
	return &t.sums
}
