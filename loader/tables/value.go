package tables

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// value is a field's value with its bits at the top: high first, zeros behind.
type value struct {
	high, low uint64
}

func (v value) compare(w value) int {
	if v.high != w.high {
		return cmp.Compare(v.high, w.high)
	}
	return cmp.Compare(v.low, w.low)
}

// next returns the value after v, and false if v is the last there is.
func (v value) next() (value, bool) {
	low := v.low + 1
	high := v.high
	if low == 0 {
		high++
	}
	return value{high, low}, low != 0 || high != 0
}

// previous returns the value before v, which is not the first.
func (v value) previous() value {
	high := v.high
	if v.low == 0 {
		high--
	}
	return value{high, v.low - 1}
}

func (v value) or(w value) value     { return value{v.high | w.high, v.low | w.low} }
func (v value) andNot(w value) value { return value{v.high &^ w.high, v.low &^ w.low} }

// tail has ones behind the first n bits.
func tail(n int) value {
	if n >= 64 {
		return value{0, ones(n - 64)}
	}
	return value{ones(n), ^uint64(0)}
}

// ones has ones behind the first n bits of a word.
func ones(n int) uint64 { return ^uint64(0) >> n }

// digits is v as the bits, so many, behind the first n.
func digits(v uint64, n, bits int) value {
	return value{v << (64 - bits), 0}.shiftRight(n)
}

func (v value) shiftRight(n int) value {
	if n >= 64 {
		return value{0, v.high >> (n - 64)}
	}
	return value{v.high >> n, v.low>>n | v.high<<1<<(63-n)}
}

// bitsFrom returns the 64 bits of v behind the first n.
func bitsFrom(v value, n int) uint64 {
	if n >= 64 {
		return v.low << (n - 64)
	}
	return v.high<<n | v.low>>1>>(63-n)
}

// commonBits returns how many first bits are the same.
func commonBits(a, b value) int {
	if high := bits.LeadingZeros64(a.high ^ b.high); high < 64 {
		return high
	}
	return 64 + bits.LeadingZeros64(a.low^b.low)
}

// extent is the values from first to last. The bits behind the field's own are
// zeros in first and ones in last.
type extent struct {
	first, last value
}

func portExtent(p mirror.Ports) extent {
	return extent{value{uint64(p.First) << 48, 0}, value{uint64(p.Last) << 48, 0}.or(tail(16))}
}

// kindExtent is of a family and a range of protocols.
func kindExtent(family abi.Family, first, last uint8) extent {
	return extent{
		value{uint64(family)<<60 | uint64(first)<<52, 0},
		value{uint64(family)<<60 | uint64(last)<<52, 0}.or(tail(12)),
	}
}

func prefixExtent(p netip.Prefix) extent {
	first := addressValue(p.Masked().Addr())
	return extent{first, first.or(tail(p.Bits()))}
}

func addressValue(a netip.Addr) value {
	if a.Is4() {
		four := a.As4()
		return value{uint64(binary.BigEndian.Uint32(four[:])) << 32, 0}
	}
	sixteen := a.As16()
	return value{binary.BigEndian.Uint64(sixteen[:8]), binary.BigEndian.Uint64(sixteen[8:])}
}
