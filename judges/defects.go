package judges

import "math/bits"

// spoil makes one thing of the draft wrong.
func (g *generator) spoil() {
	d := &g.draft
	if d.len() == 0 {
		return
	}
	header := min(d.len(), 160)
	switch g.dice.below(6) {
	case 0, 1:
		if len(d.lengths) > 0 {
			g.spoilLength(g.dice.below(len(d.lengths)))
		}
	case 2:
		d.cut(g.nearMark())
	case 3:
		d.cut(g.dice.below(d.len()))
	case 4:
		d.bytes[g.dice.below(header)] ^= byte(bits.RotateLeft8(1, g.dice.below(8)))
	default:
		d.bytes[g.dice.below(header)] = g.dice.byte()
	}
}

// spoilLength has the i-th length of the draft lie: by a few bytes, or wholly.
func (g *generator) spoilLength(i int) {
	d := &g.draft
	at := d.lengths[i].at
	value := d.get16(at)
	switch g.dice.below(8) {
	case 0:
		value = pick(&g.dice, 0, 1, 7, 8, 19, 20, 0xffff)
	case 1:
		value = g.dice.below(0x10000)
	case 2, 3:
		value += g.dice.between(1, 40)
	case 4, 5:
		value -= g.dice.between(1, 40)
	default:
		value += pick(&g.dice, -8, -2, -1, 1, 2, 8)
	}
	d.set16(at, value)
}
