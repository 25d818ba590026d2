package export

import (
	"sync/atomic"
	"time"
)

// durationBounds are the upper bounds of the histogram's buckets. A batch of 4 MiB
// takes a few milliseconds where the disk keeps up.
var durationBounds = [...]time.Duration{
	100 * time.Microsecond, 300 * time.Microsecond, time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond,
	30 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second,
}

// Durations counts how long something took. The zero value is ready; any goroutine
// may use it, and nothing is allocated.
type Durations struct {
	buckets [len(durationBounds) + 1]atomic.Uint64 // the last is of all that is longer
	sum     atomic.Int64                           // nanoseconds
}

// Observe counts one.
func (d *Durations) Observe(took time.Duration) {
	i := 0
	for i < len(durationBounds) && took > durationBounds[i] {
		i++
	}
	d.buckets[i].Add(1)
	d.sum.Add(int64(took))
}

// DurationsReading is what Durations have counted. The zero value has counted nothing.
type DurationsReading struct {
	Count  uint64
	Sum    time.Duration
	within [len(durationBounds)]uint64 // as many took no longer than the bound
}

// Reading returns what was counted; one that is being counted meanwhile may be in
// one of its parts and not in another.
func (d *Durations) Reading() (r DurationsReading) {
	for i := range d.buckets {
		r.Count += d.buckets[i].Load()
		if i < len(r.within) {
			r.within[i] = r.Count
		}
	}
	r.Sum = time.Duration(d.sum.Load())
	return r
}

// buckets are the histogram's as Prometheus wants them, by bounds in seconds.
func (r DurationsReading) buckets() map[float64]uint64 {
	buckets := make(map[float64]uint64, len(r.within))
	for i, n := range r.within {
		buckets[durationBounds[i].Seconds()] = n
	}
	return buckets
}
