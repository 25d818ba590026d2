package judges

import "github.com/xdpeel/xdpeel/lab/frames"

const etherTypeRARP = 0x8035

// innerFrame drafts what a tunnel carries: a frame, often cut by the session.
func (g *generator) innerFrame() {
	start := g.draft.len()
	tags := pickWeighted(&g.dice, []weighted[int]{{80, 0}, {8, 1}, {5, 2}, {4, 3}, {3, 4}})
	switch {
	case g.dice.percent(90):
		version := pick(&g.dice, 4, 4, 6)
		g.ethernet(tags, etherTypeOf(version))
		g.innerIP(version)
	case g.dice.percent(70):
		g.ethernet(tags, pick(&g.dice, frames.EtherTypeARP, etherTypeRARP))
		g.arp()
	default:
		g.ethernet(tags, g.dice.below(0x10000))
		g.payload()
	}
	g.cutInner(start)
}

// innerIP drafts an IP packet of a flow.
func (g *generator) innerIP(version int) {
	d := &g.draft
	start, open := d.len(), len(d.open)
	f := g.cast.flow(&g.dice, version)
	g.ip(header{
		version: version, protocol: f.protocol, source: f.ends[0].address, destination: f.ends[1].address,
		fragments: 15, id: f.id,
	})
	if g.dice.percent(90) {
		g.transport(&f)
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

// transport drafts ports, and the place where TCP says how long its header is.
func (g *generator) transport(f *flow) {
	d := &g.draft
	d.mark()
	d.put16(f.ends[0].port)
	d.put16(f.ends[1].port)
	d.put(g.noise[:8]...)
	if f.protocol == frames.ProtocolTCP {
		words := pick(&g.dice, 5, 5, 5, 6, 8, 15, 0, 4)
		d.put(byte(words)<<4, 0x10)
		d.put(g.noise[:6+4*max(0, words-5)]...)
	}
	d.mark()
}

// arp drafts what ARP and RARP have of the two ends of a flow.
func (g *generator) arp() {
	d := &g.draft
	f := g.cast.flow(&g.dice, 4)
	d.mark()
	d.put(0, 1, 0x08, 0, 6, 4, 0, 1)
	for _, end := range f.ends {
		mac := g.cast.mac(&g.dice)
		d.put(mac[:]...)
		d.put(end.address.slice()...)
	}
	d.mark()
	if g.dice.percent(50) { // an Ethernet frame's padding
		d.put(make([]byte, 18)...)
	}
}

// cutInner cuts what began at start now and then, as a mirror session does.
func (g *generator) cutInner(start int) {
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
