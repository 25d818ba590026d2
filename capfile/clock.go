package capfile

import (
	"math"
	"math/bits"
)

// resolutionMicroseconds is the value of if_tsresol that an interface has without it.
const resolutionMicroseconds = 6

// clock turns an interface's timestamps into nanoseconds since the Unix epoch.
type clock struct {
	perSecond uint64 // units in a second
	divisor   uint64 // timestamp counts in a unit: 1 but for resolutions too fine for perSecond
	offset    int64  // seconds to add
}

// newClock returns the clock of an interface's if_tsresol, an exponent of 10 or,
// with its highest bit set, of 2, and if_tsoffset, in seconds.
func newClock(resolution byte, offset int64) clock {
	base, limit := uint64(10), 19 // the highest power that 64 bits hold
	if resolution&0x80 != 0 {
		base, limit = 2, 63
	}
	exponent := int(resolution &^ 0x80)
	return clock{
		perSecond: power(base, min(exponent, limit)),
		divisor:   power(base, exponent-limit),
		offset:    offset,
	}
}

// power returns base to the nth, or the highest number if that is higher; 1 for
// an n below 0.
func power(base uint64, n int) uint64 {
	result := uint64(1)
	for range n {
		high, low := bits.Mul64(result, base)
		if high != 0 {
			return math.MaxUint64
		}
		result = low
	}
	return result
}

// nanoseconds rounds down. A time before 1677 or after 2262, which int64 cannot
// hold, becomes the lowest or the highest number.
func (c clock) nanoseconds(timestamp uint64) int64 {
	units := timestamp / c.divisor
	high, low := bits.Mul64(units%c.perSecond, 1e9)
	fraction, _ := bits.Div64(high, low, c.perSecond)

	seconds, carry := bits.Add64(units/c.perSecond, uint64(c.offset), 0)
	upper := int64(carry) + c.offset>>63 // the upper half of the sum: below 0 it is negative
	const last = math.MaxInt64/1_000_000_000 - 1
	switch {
	case upper < 0 && int64(seconds) < -last:
		return math.MinInt64
	case upper > 0 || upper == 0 && seconds > last:
		return math.MaxInt64
	}
	return int64(seconds)*1e9 + int64(fraction)
}
