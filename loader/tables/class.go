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

// chunksMax is how many chunks a set of all rules has.
const chunksMax = abi.LimitRules / chunkRules

// ruleSet is a set of rules: the lines of its chunks, 0 where there are none.
type ruleSet [chunksMax]uint16

// fieldWriter writes the trie and the classes of one field, all in one region.
type fieldWriter struct {
	w       *writer
	chunks  map[line]uint16
	classes map[ruleSet]entry
}

func newFieldWriter(w *writer) *fieldWriter {
	return &fieldWriter{w: w, chunks: make(map[line]uint16), classes: make(map[ruleSet]entry)}
}

// isAny says whether the field tells no packets apart: all are of one class, which
// has all rules there are.
func (f *fieldWriter) isAny(rules int) bool {
	r, _ := f.w.last()
	for set := range f.classes {
		matching := 0
		for _, at := range set {
			for _, word := range r[at] {
				matching += bits.OnesCount64(word)
			}
		}
		return len(f.classes) == 1 && matching == rules
	}
	return false
}

// chunk returns the line of a chunk; equal ones share theirs.
func (f *fieldWriter) chunk(bits *line) (uint16, error) {
	if *bits == (line{}) {
		return 0, nil
	}
	if at, ok := f.chunks[*bits]; ok {
		return at, nil
	}
	p, err := f.w.alloc(1)
	if err != nil {
		return 0, err
	}
	at := uint16(p.line())
	*lineOf[line](f.w, p) = *bits
	f.chunks[*bits] = at
	f.w.words[at] = 0
	for word, rules := range bits {
		if rules != 0 {
			f.w.words[at] |= 1 << word
		}
	}
	return at, nil
}

// class returns the entry at which a search ends with a set of rules.
func (f *fieldWriter) class(set ruleSet) (entry, error) {
	if e, ok := f.classes[set]; ok {
		return e, nil
	}
	p, err := f.w.alloc(1)
	if err != nil {
		return 0, err
	}
	class, ok := f.sparse(set)
	if !ok {
		if class, err = f.dense(set); err != nil {
			return 0, err
		}
	}
	*lineOf[bpf.XdpeelClass](f.w, p) = class
	e := entryTo(abi.EntryClass, p)
	f.classes[set] = e
	return e, nil
}

// sparse returns the class of a set that has few words, false if it has too many.
func (f *fieldWriter) sparse(set ruleSet) (class bpf.XdpeelClass, ok bool) {
	for i := range class.Index {
		class.Index[i] = 0xff
	}
	n := 0
	r, _ := f.w.last()
	for chunk, at := range set {
		for words := f.w.words[at]; words != 0; words &= words - 1 {
			if n == abi.ClassWords {
				return class, false
			}
			word := bits.TrailingZeros8(words)
			class.Index[n], class.Words[n] = uint8(chunk*len(line{})+word), r[at][word]
			n++
		}
	}
	return class, true
}

// dense returns the class of a set that has many words.
func (f *fieldWriter) dense(set ruleSet) (class bpf.XdpeelClass, err error) {
	p, err := f.w.alloc(1)
	if err != nil {
		return class, err
	}
	copy(lineOf[bpf.XdpeelChunks](f.w, p).Lines[:], set[:])
	class.Chunks = uint16(p.line())
	for chunk, at := range set {
		first := chunk * len(line{}) // word, of the whole set
		class.Words[first/wordRules] |= uint64(f.w.words[at]) << (first % wordRules)
	}
	return class, nil
}
