package capfile

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactTime is clock.nanoseconds in numbers of any length.
func exactTime(resolution byte, offset int64, timestamp uint64) int64 {
	base := big.NewInt(10)
	if resolution&0x80 != 0 {
		base = big.NewInt(2)
	}
	units := new(big.Int).Exp(base, big.NewInt(int64(resolution&0x7f)), nil)
	ns := new(big.Int).Mul(new(big.Int).SetUint64(timestamp), big.NewInt(1e9))
	ns.Div(ns, units)
	ns.Add(ns, new(big.Int).Mul(big.NewInt(offset), big.NewInt(1e9)))
	seconds := new(big.Int).Div(ns, big.NewInt(1e9)) // rounds down, as the clock counts seconds
	switch last := big.NewInt(math.MaxInt64/1_000_000_000 - 1); {
	case seconds.Cmp(last) > 0:
		return math.MaxInt64
	case seconds.Cmp(last.Neg(last)) < 0:
		return math.MinInt64
	}
	return ns.Int64()
}

func TestClock(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	offsets := []int64{0, 1, -1, 1700000000, -1700000000, math.MaxInt64, math.MinInt64}
	for resolution := range 256 {
		timestamps := []uint64{0, 1, 999, 1700000000, 1700000000123456789, math.MaxInt64, 1 << 63, math.MaxUint64}
		for range 50 {
			timestamps = append(timestamps, random.Uint64()>>random.IntN(64))
		}
		for _, offset := range offsets {
			clock := newClock(byte(resolution), offset)
			for _, timestamp := range timestamps {
				got, want := clock.nanoseconds(timestamp), exactTime(byte(resolution), offset, timestamp)
				if got != want {
					t.Fatalf("if_tsresol %#x, if_tsoffset %d: %d is %d ns, want %d", resolution, offset, timestamp, got, want)
				}
			}
		}
	}
}
