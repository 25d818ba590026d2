package judges

import (
	"math/rand/v2"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// settings are what the generator has programs loaded with.
var settings = []mirror.Options{
	{VXLANPorts: []uint16{4789}, GENEVEPorts: []uint16{6081}, SnapLength: abi.LimitSnapLength},
	{VXLANPorts: []uint16{4789, 8472, 4790}, GENEVEPorts: []uint16{6081, 4790}, SnapLength: 128},
	{VXLANPorts: []uint16{4789}, GENEVEPorts: []uint16{6081}, SnapLength: 14},
	{VXLANPorts: []uint16{4789}, GENEVEPorts: []uint16{}, SnapLength: 1500},
	{VXLANPorts: []uint16{}, GENEVEPorts: []uint16{6081}, SnapLength: 15},
	{
		VXLANPorts:  []uint16{1, 2, 3, 4, 5, 6, 4789, 6082},
		GENEVEPorts: []uint16{6082, 6081, 6083, 6084, 6085, 6086, 6087, 0xffff},
		SnapLength:  300,
	},
}

// generator makes sequences of frames that are right, or nearly.
type generator struct {
	Seed   uint64
	Frames int // of each sequence
	// Shortest is the length in bytes of the shortest frame it makes.
	Shortest int

	dice    dice
	book    *book
	cast    *cast
	options mirror.Options
	draft   draft
	noise   []byte
	arena   []byte
}

// What sequences have in common: so many in a row have one book, of so many
// policies.
const (
	bookSequences = 8
	bookPolicies  = 6
)

// Sequence fills s with the sequence of a number, always the same for the same
// seed, length and shortest frame. Its frames last until the next call.
func (g *generator) Sequence(number uint64, s *sequence) {
	if g.book == nil || g.book.number != number/bookSequences {
		g.book = newBook(g.Seed, number/bookSequences, bookPolicies)
	}
	g.fill(number, s)
}

// fill fills s with the sequence of a number, by the book that is open.
func (g *generator) fill(number uint64, s *sequence) {
	if g.noise == nil {
		g.noise = makeNoise()
	}
	g.dice.Seed(g.Seed, number)
	g.options, g.cast = g.book.options, g.book.cast
	g.arena = g.arena[:0]
	s.Options, s.Policies, s.Frames = g.options, g.book.policies, s.Frames[:0]
	policy := g.policy()
	changes := pickWeighted(&g.dice, []weighted[int]{{50, 0}, {35, 1}, {15, 2}})
	for range g.Frames {
		if g.dice.below(g.Frames) < changes {
			policy = g.policy()
		}
		g.frame()
		from := len(g.arena)
		g.arena = append(g.arena, g.draft.bytes...)
		s.Frames = append(s.Frames, frame{g.arena[from:len(g.arena):len(g.arena)], g.linear(), policy})
	}
}

// policy returns the number of one of the book's.
func (g *generator) policy() uint32 { return uint32(g.dice.below(len(g.book.policies.list))) }

// makeNoise returns bytes for payloads, which nobody looks into.
func makeNoise() []byte {
	noise := make([]byte, 1<<17)
	random := rand.NewPCG(1, 1)
	for i := range noise {
		noise[i] = byte(random.Uint64())
	}
	return noise
}

// frame drafts the next frame.
func (g *generator) frame() {
	g.draft.reset()
	g.mirrored()
	defects := pickWeighted(&g.dice, []weighted[int]{{60, 0}, {30, 1}, {10, 2}})
	for range defects {
		g.spoil()
	}
	if missing := g.Shortest - g.draft.len(); missing > 0 {
		g.draft.put(g.noise[:missing]...)
	}
}

// linear returns how many bytes of the draft are in the first buffer: mostly all
// of them, else often so many that a layer is torn.
func (g *generator) linear() int {
	length := g.draft.len()
	switch {
	case g.dice.percent(60):
		return length
	case g.dice.percent(50):
		return g.dice.below(length + 1)
	}
	return g.nearMark()
}

// nearMark returns a place in the draft: where a layer begins, or a few bytes
// beside that.
func (g *generator) nearMark() int {
	if len(g.draft.marks) == 0 {
		return 0
	}
	place := pick(&g.dice, g.draft.marks...) + g.dice.between(-3, 6)
	return max(0, min(place, g.draft.len()))
}

// payload appends some bytes: few as a rule, a jumbo frame's or more at times.
func (g *generator) payload() {
	most := pickWeighted(&g.dice, []weighted[int]{{95, 64}, {5, 1500}})
	if g.dice.percent(1) {
		most = pick(&g.dice, 9000, 9000, 9000, 9000, 9000, 65600)
	}
	length := g.dice.below(most + 1)
	from := g.dice.below(len(g.noise) - length)
	g.draft.put(g.noise[from : from+length]...)
}
