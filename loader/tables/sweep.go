package tables

import (
	"math"
	"math/bits"
	"slices"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
)

// span is an extent and the rules that match it.
type span struct {
	extent
	rules []int32
}

// interval is the values from a first one to the next interval's, and the class
// that all of them are of.
type interval struct {
	first value
	class entry
}

// event is where a sweep over the values comes to a span, or leaves it.
type event struct {
	at   value
	span int
}

// events returns where spans begin and end, in order.
func events(spans []span) []event {
	list := unsortedEvents(spans)
	if sortShort(list) {
		return list
	}
	slices.SortFunc(list, func(a, b event) int { return a.at.compare(b.at) })
	return list
}

// sortShort sorts events of a field of at most 32 bits, which is most of them, as
// plain numbers: several times faster.
func sortShort(list []event) bool {
	keys := make([]uint64, len(list))
	for i, e := range list {
		if e.at.low != 0 || e.at.high<<32 != 0 {
			return false
		}
		keys[i] = e.at.high | uint64(e.span)
	}
	slices.Sort(keys)
	for i, key := range keys {
		list[i] = event{value{high: key &^ math.MaxUint32}, int(key & math.MaxUint32)}
	}
	return true
}

func unsortedEvents(spans []span) []event {
	list := make([]event, 0, 2*len(spans))
	for i := range spans {
		list = append(list, event{spans[i].first, i})
		if after, ok := spans[i].last.next(); ok {
			list = append(list, event{after, i})
		}
	}
	return list
}

// sweep goes through all values once, and returns them parted by their classes:
// the rules of `always` and those of the spans that hold a value.
func (f *fieldWriter) sweep(spans []span, always []int32) ([]interval, error) {
	var active activeRules
	active.toggle(always)
	list := events(spans)
	intervals := make([]interval, 0, len(list)+1)
	for at, more := (value{}), true; more; {
		n := 0
		for n < len(list) && list[n].at == at {
			active.toggle(spans[list[n].span].rules)
			n++
		}
		list = list[n:]
		class, err := f.class(&active)
		if err != nil {
			return nil, err
		}
		if len(intervals) == 0 || intervals[len(intervals)-1].class != class {
			intervals = append(intervals, interval{at, class})
		}
		if more = len(list) > 0; more {
			at = list[0].at
		}
	}
	return intervals, nil
}

// activeRules are the rules that match the value that a sweep has come to.
type activeRules struct {
	words   [abi.LimitRules / wordRules]uint64
	groups  [abi.ClassGroups]uint64 // a bit for each word that is not zero
	changed uint64                  // a bit for each chunk that changed since lines were written
	lines   bpf.XdpeelChunks        // the chunks' lines, as far as they are written
}

// toggle takes rules in that are not, and out that are.
func (a *activeRules) toggle(rules []int32) {
	for _, rule := range rules {
		word := rule / wordRules
		a.words[word] ^= 1 << (rule % wordRules)
		if a.words[word] != 0 {
			a.groups[word/wordRules] |= 1 << (word % wordRules)
		} else {
			a.groups[word/wordRules] &^= 1 << (word % wordRules)
		}
		a.changed |= 1 << (int(rule) / chunkRules)
	}
}

// count returns how many words are not zero.
func (a *activeRules) count() (n int) {
	for _, group := range a.groups {
		n += bits.OnesCount64(group)
	}
	return n
}

// rules returns how many rules are active.
func (a *activeRules) rules() (n int) {
	for _, word := range a.words {
		n += bits.OnesCount64(word)
	}
	return n
}
