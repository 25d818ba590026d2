package tables

import (
	"sort"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
)

// digitBits is how many bits a table looks at.
const digitBits = 4

// skipBits are what a skip compares: less is a table's work, more is not in one word.
const (
	skipBitsMin = 8
	skipBitsMax = 60
)

// entry is where a search goes on: a kind and a line of the field's region.
type entry uint32

func entryTo(kind abi.Entry, p place) entry {
	return entry(kind)<<30 | entry(p.line())
}

// block is the values that share their first bits.
type block struct {
	first value
	bits  int
}

func (b block) last() value { return b.first.or(tail(b.bits)) }

// child returns the part of b in which the next digit is d.
func (b block) child(d int) block {
	return block{first: b.first.or(digit(uint64(d), b.bits)), bits: b.bits + digitBits}
}

// within returns the intervals that have values in b.
func within(intervals []interval, b block) []interval {
	from := sort.Search(len(intervals), func(i int) bool { return intervals[i].first.compare(b.first) > 0 }) - 1
	intervals = intervals[from:]
	last := b.last()
	return intervals[:sort.Search(len(intervals), func(i int) bool { return intervals[i].first.compare(last) > 0 })]
}

// search writes the trie in which every value is found to be of its class.
func (f *fieldWriter) search(intervals []interval, b block) (entry, error) {
	intervals = within(intervals, b)
	if len(intervals) == 1 {
		return intervals[0].class, nil
	}
	if shared, miss, ok := oneWay(intervals, b); ok {
		return f.skip(intervals, b, shared, miss)
	}
	return f.table(intervals, b)
}

func (f *fieldWriter) table(intervals []interval, b block) (entry, error) {
	at, err := f.w.alloc(1)
	if err != nil {
		return 0, err
	}
	var table bpf.XdpeelTable
	for d := range table.Entries {
		to, err := f.search(intervals, b.child(d))
		if err != nil {
			return 0, err
		}
		table.Entries[d] = uint32(to)
	}
	*lineOf[bpf.XdpeelTable](f.w, at) = table
	return entryTo(abi.EntryTable, at), nil
}

// skip writes that what is in a part of b is to be searched further, and all else
// in b is of one class.
func (f *fieldWriter) skip(intervals []interval, b, shared block, miss entry) (entry, error) {
	at, err := f.w.alloc(1)
	if err != nil {
		return 0, err
	}
	match, err := f.search(intervals, shared)
	if err != nil {
		return 0, err
	}
	n := shared.bits - b.bits
	*lineOf[bpf.XdpeelSkip](f.w, at) = bpf.XdpeelSkip{
		Value: bitsFrom(shared.first, b.bits) &^ ones(n),
		Mask:  ^ones(n),
		Bits:  uint32(n),
		Match: uint32(match),
		Miss:  uint32(miss),
	}
	return entryTo(abi.EntrySkip, at), nil
}

// oneWay says whether all of b is of one class but for a part so small that a skip
// leads to it, and returns that part, in whole digits, and the class.
func oneWay(intervals []interval, b block) (part block, miss entry, ok bool) {
	first, last := intervals[0], intervals[len(intervals)-1]
	from, to := intervals[1].first, last.first.previous()
	if first.class == last.class {
		part = b.shrink(from, to)
		return part, first.class, part.bits-b.bits >= skipBitsMin
	}
	part, miss = b.shrink(b.first, to), last.class
	if right := b.shrink(from, b.last()); right.bits > part.bits {
		part, miss = right, first.class
	}
	return part, miss, part.bits-b.bits >= skipBitsMin
}

// shrink returns the smallest part of b that both values are in, as far as one skip goes.
func (b block) shrink(from, to value) block {
	bits := min(commonBits(from, to), b.bits+skipBitsMax)
	bits -= (bits - b.bits) % digitBits
	return block{first: from.andNot(tail(bits)), bits: bits}
}
