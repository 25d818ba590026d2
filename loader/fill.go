package loader

import (
	"sync/atomic"
	"unsafe"
)

// RingFill is how full a ring is, in bytes.
type RingFill struct{ Used, Size uint64 }

// RingFills returns how full the rings are, by CPU. Any goroutine may ask, until
// Close.
func (p *Program) RingFills() []RingFill {
	fills := make([]RingFill, 0, len(p.rings))
	for _, ring := range p.rings {
		fills = append(fills, ring.fill())
	}
	return fills
}

// fill reads the consumer's position first: it can only be behind by the other's time.
func (r *ring) fill() RingFill {
	consumed := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.consumer[0])))
	produced := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.producer[0])))
	return RingFill{Used: min(produced-consumed, r.mask+1), Size: r.mask + 1}
}
