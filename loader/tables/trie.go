package tables

import (
	"sort"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
)

// digitBits are a digit: tables look at one, two or three.
const digitBits = 4

// skipBits are what a skip compares: less is a table's work, more is not in one word.
const (
	skipBitsMin = 8
	skipBitsMax = 60
)

// entry is where a search goes on: a kind and a line of the field's region.
type entry uint32

func entryTo(kind abi.Entry, p place) entry {
	return entry(kind)<<29 | entry(p.line())
}

// block is the values that share their first bits.
type block struct {
	first value
	bits  int
}

func (b block) last() value { return b.first.or(tail(b.bits)) }

// child returns the part of b in which the next bits, so many, are d.
func (b block) child(d, bits int) block {
	return block{first: b.first.or(digits(uint64(d), b.bits, bits)), bits: b.bits + bits}
}

// within returns the intervals that have values in b.
func within(intervals []interval, b block) []interval {
	from := sort.Search(len(intervals), func(i int) bool { return intervals[i].first.compare(b.first) > 0 }) - 1
	intervals = intervals[from:]
	last := b.last()
	return intervals[:sort.Search(len(intervals), func(i int) bool { return intervals[i].first.compare(last) > 0 })]
}

// upTo returns how many of the first intervals begin at last or before.
func upTo(intervals []interval, last value) int {
	n := 1
	for n < len(intervals) && intervals[n].first.compare(last) <= 0 {
		n++
	}
	return n
}

// search writes the trie in which every value of b is found to be of its class.
// The intervals are those that have values in b.
func (f *fieldWriter) search(intervals []interval, b block) (entry, error) {
	if len(intervals) == 1 {
		return intervals[0].class, nil
	}
	part, miss := oneWay(intervals, b)
	if inside := within(intervals, part); len(inside) == 1 && part.bits > b.bits {
		return f.leaf(b, part, inside[0].class, miss)
	}
	part = part.widen(b)
	if part.bits-b.bits >= skipBitsMin {
		return f.skip(intervals, b, part, miss)
	}
	return f.table(intervals, b)
}

// tableSizes are the tables there are, by how many ways to go make one worth its memory.
var tableSizes = []struct {
	intervals int
	kind      abi.Entry
	bits      int
}{
	{512, abi.EntryTable4096, 3 * digitBits},
	{32, abi.EntryTable256, 2 * digitBits},
	{0, abi.EntryTable16, digitBits},
}

func (f *fieldWriter) table(intervals []interval, b block) (entry, error) {
	size := tableSizes[0]
	for _, size = range tableSizes {
		if len(intervals) >= size.intervals && b.bits+size.bits <= 128 {
			break
		}
	}
	at, err := f.w.allocAligned(1 << size.bits / len(tableLine{}))
	if err != nil {
		return 0, err
	}
	for d := range 1 << size.bits {
		child := b.child(d, size.bits)
		n := upTo(intervals, child.last())
		to, err := f.search(intervals[:n], child)
		if err != nil {
			return 0, err
		}
		intervals = intervals[n-1:] // the last may go on in the next child
		if next, ok := child.last().next(); ok && len(intervals) > 1 && intervals[1].first == next {
			intervals = intervals[1:] // it does not
		}
		lineOf[tableLine](f.w, at+place(d/len(tableLine{})))[d%len(tableLine{})] = to
	}
	return entryTo(size.kind, at), nil
}

// tableLine is a line of a table.
type tableLine [lineBytes / 4]entry

// leaf writes that what is in a part of b is of one class, and all else in b of another.
func (f *fieldWriter) leaf(b, part block, class, miss entry) (entry, error) {
	at, err := f.w.alloc(1)
	if err != nil {
		return 0, err
	}
	leaf := *lineOf[bpf.XdpeelClass](f.w, f.w.here(class))
	n := part.bits - b.bits
	leaf.Value, leaf.Mask = bitsFrom(part.first, b.bits)&^ones(n), ^ones(n)
	leaf.Miss = uint32(f.w.here(miss).line())
	*lineOf[bpf.XdpeelClass](f.w, at) = leaf
	return entryTo(abi.EntryClass, at), nil
}

// skip writes that what is in a part of b is to be searched further, and all else
// in b is of one class.
func (f *fieldWriter) skip(intervals []interval, b, part block, miss entry) (entry, error) {
	at, err := f.w.alloc(1)
	if err != nil {
		return 0, err
	}
	match, err := f.search(within(intervals, part), part)
	if err != nil {
		return 0, err
	}
	n := part.bits - b.bits
	*lineOf[bpf.XdpeelSkip](f.w, at) = bpf.XdpeelSkip{
		Value: bitsFrom(part.first, b.bits) &^ ones(n),
		Mask:  ^ones(n),
		Bits:  uint32(n),
		Match: uint32(match),
		Miss:  uint32(miss),
	}
	return entryTo(abi.EntrySkip, at), nil
}

// oneWay returns the smallest part of b, as far as one comparison goes, outside of
// which all of b is of one class, and that class.
func oneWay(intervals []interval, b block) (part block, miss entry) {
	first, last := intervals[0], intervals[len(intervals)-1]
	from, to := intervals[1].first, last.first.previous()
	if first.class == last.class {
		return b.shrink(from, to), first.class
	}
	part, miss = b.shrink(b.first, to), last.class
	if right := b.shrink(from, b.last()); right.bits > part.bits {
		part, miss = right, first.class
	}
	return part, miss
}

// shrink returns the smallest part of b that both values are in.
func (b block) shrink(from, to value) block {
	bits := min(commonBits(from, to), b.bits+skipBitsMax)
	return block{first: from.andNot(tail(bits)), bits: bits}
}

// widen returns the smallest block around b, itself part of outer, that is whole
// digits smaller than that.
func (b block) widen(outer block) block {
	bits := b.bits - (b.bits-outer.bits)%digitBits
	return block{first: b.first.andNot(tail(bits)), bits: bits}
}
