package judges

import "github.com/xdpeel/xdpeel/lab/frames"

// innerFrame drafts what a tunnel carries: a frame, often cut by the session.
func (g *Generator) innerFrame() {
	start := g.draft.len()
	tags := pickWeighted(&g.dice, []weighted[int]{{80, 0}, {8, 1}, {5, 2}, {4, 3}, {3, 4}})
	switch {
	case g.dice.percent(90):
		version := pick(&g.dice, 4, 4, 6)
		g.ethernet(tags, etherTypeOf(version))
		g.innerIP(version)
	case g.dice.percent(50):
		g.ethernet(tags, frames.EtherTypeARP)
		g.payload()
	default:
		g.ethernet(tags, g.dice.below(0x10000))
		g.payload()
	}
	g.cutInner(start)
}

// innerIP drafts an IP packet with any payload.
func (g *Generator) innerIP(version int) {
	d := &g.draft
	start, open := d.len(), len(d.open)
	if version == 4 {
		g.ipv4(pick[byte](&g.dice, frames.ProtocolTCP, frames.ProtocolUDP, frames.ProtocolICMP), g.cast.inner(&g.dice, 4))
	} else {
		g.ipv6(pick[byte](&g.dice, frames.ProtocolTCP, frames.ProtocolUDP, frames.ProtocolICMPv6), g.cast.inner(&g.dice, 6))
	}
	g.payload()
	d.end(open)
	if g.dice.percent(5) { // an Ethernet frame's padding
		d.put(g.noise[:g.dice.between(1, 20)]...)
	}
	if g.dice.percent(10) {
		g.spoilLength(len(d.lengths) - 1)
	}
	g.cutInner(start)
}

// cutInner cuts what began at start now and then, as a mirror session does.
func (g *Generator) cutInner(start int) {
	d := &g.draft
	if g.dice.percent(80) {
		return
	}
	length := d.len()
	at := start + g.dice.below(length-start+1)
	if g.dice.percent(50) {
		at = max(start, g.nearMark())
	}
	d.cut(at)
}
