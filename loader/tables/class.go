package tables

import (
	"math/bits"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Rules of a word, and of a chunk: a line of words.
const (
	wordRules  = 64
	chunkRules = len(line{}) * wordRules
)

// fieldWriter writes the trie and the classes of one field, all in one region.
type fieldWriter struct {
	w       *writer
	chunks  map[line]uint16
	lists   map[bpf.XdpeelChunks]uint16
	classes map[bpf.XdpeelClass]entry
	rules   int // of the first class that was written
}

// newFieldWriter returns a writer for a field of so many rules.
func newFieldWriter(w *writer, rules int) *fieldWriter {
	return &fieldWriter{
		w: w, chunks: make(map[line]uint16), lists: make(map[bpf.XdpeelChunks]uint16, rules),
		classes: make(map[bpf.XdpeelClass]entry, rules),
	}
}

// isAny says whether the field tells no packets apart: all are of one class, which
// has all rules there are.
func (f *fieldWriter) isAny(rules int) bool {
	return len(f.classes) == 1 && f.rules == rules
}

// class returns the entry at which a search ends with the active rules. Equal
// classes share a line.
func (f *fieldWriter) class(a *activeRules) (entry, error) {
	var class bpf.XdpeelClass
	var err error
	if a.count() <= abi.ClassWords {
		class = sparse(a)
	} else if class, err = f.dense(a); err != nil {
		return 0, err
	}
	if e, ok := f.classes[class]; ok {
		return e, nil
	}
	p, err := f.w.alloc(1)
	if err != nil {
		return 0, err
	}
	*lineOf[bpf.XdpeelClass](f.w, p) = class
	e := entryTo(abi.EntryClass, p)
	if len(f.classes) == 0 {
		f.rules = a.rules()
	}
	f.classes[class] = e
	return e, nil
}

// sparse returns the class of rules in few words.
func sparse(a *activeRules) (class bpf.XdpeelClass) {
	n := 0
	for group, words := range a.groups {
		for ; words != 0; words &= words - 1 {
			word := group*wordRules + bits.TrailingZeros64(words)
			class.Index[n], class.Words[n] = uint8(word), a.words[word]
			n++
		}
	}
	for ; n < len(class.Index); n++ {
		class.Index[n] = 0xff
	}
	return class
}

// dense returns the class of rules in many words, and writes them.
func (f *fieldWriter) dense(a *activeRules) (class bpf.XdpeelClass, err error) {
	for ; a.changed != 0; a.changed &= a.changed - 1 {
		chunk := bits.TrailingZeros64(a.changed)
		words := line(a.words[chunk*len(line{}):])
		if a.lines.Lines[chunk], err = shared(f, f.chunks, words); err != nil {
			return class, err
		}
	}
	copy(class.Words[:], a.groups[:])
	class.Chunks, err = shared(f, f.lists, a.lines)
	return class, err
}

// shared returns the line that holds value: equal ones share theirs, and zeros are
// in line 0.
func shared[T comparable](f *fieldWriter, lines map[T]uint16, value T) (uint16, error) {
	var zero T
	if value == zero {
		return 0, nil
	}
	if at, ok := lines[value]; ok {
		return at, nil
	}
	p, err := f.w.alloc(1)
	if err != nil {
		return 0, err
	}
	*lineOf[T](f.w, p) = value
	lines[value] = uint16(p.line())
	return lines[value], nil
}
