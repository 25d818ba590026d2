package tables

import (
	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Rules of a word and of a chunk of a class.
const (
	wordRules  = 64
	chunkRules = 8 * wordRules
)

// ruleSet is a set of rules: the lines of its chunks, 0 where there are none.
type ruleSet [len(bpf.XdpeelClass{}.Chunks)]uint16

// fieldWriter writes the trie and the classes of one field, all in one region.
type fieldWriter struct {
	w       *writer
	chunks  map[line]uint16
	classes map[ruleSet]entry
}

func newFieldWriter(w *writer) *fieldWriter {
	return &fieldWriter{w: w, chunks: make(map[line]uint16), classes: make(map[ruleSet]entry)}
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
	class := bpf.XdpeelClass{Chunks: set}
	for chunk, at := range set {
		first := chunk * len(line{}) // word, of the whole set
		class.Groups[first/wordRules] |= uint64(f.w.words[at]) << (first % wordRules)
	}
	*lineOf[bpf.XdpeelClass](f.w, p) = class
	e := entryTo(abi.EntryClass, p)
	f.classes[set] = e
	return e, nil
}
