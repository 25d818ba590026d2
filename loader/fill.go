package loader

import (
	"sync/atomic"
	"unsafe"
)

// RingFill is how full the rings of a CPU are, in bytes.
type RingFill struct{ Used, Size uint64 }

// RingFills returns how full the rings are, by CPU, each with its spill. Any goroutine
// may ask, until Close.
func (p *Program) RingFills() []RingFill {
	fills := make([]RingFill, p.maps.Rings.MaxEntries())
	for i, ring := range p.rings {
		one, cpu := ring.fill(), i%len(fills)
		fills[cpu].Used += one.Used
		fills[cpu].Size += one.Size
	}
	return fills
}

// fill reads the consumer's position first: it can only be behind by the other's time.
func (r *ring) fill() RingFill {
	consumed := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.consumer[0])))
	produced := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.producer[0])))
	return RingFill{Used: min(produced-consumed, r.mask+1), Size: r.mask + 1}
}
