package judges

import "github.com/xdpeel/xdpeel/lab/frames"

// header is what an IP header is drafted from.
type header struct {
	version             int
	protocol            byte
	source, destination *ip
	fragments           int    // how many of a hundred packets are
	id                  uint32 // identification of the fragments
}

// ip drafts a header; its length stays open.
func (g *generator) ip(h header) {
	if h.version == 4 {
		g.ipv4(h)
	} else {
		g.ipv6(h)
	}
}

func (g *generator) ipv4(h header) {
	d := &g.draft
	protocol := h.protocol
	d.mark()
	start := d.len()
	words := 5
	if g.dice.percent(15) {
		words = g.dice.between(5, 15)
	}
	versionAndWords := byte(4<<4 | words)
	if g.dice.percent(1) {
		versionAndWords = pick(&g.dice, 0x44, 0x40, 0x4f, 0x65, g.dice.byte())
	}
	if g.dice.percent(1) {
		protocol = pick(&g.dice, frames.ProtocolTCP, frames.ProtocolICMP, g.dice.byte())
	}
	d.put(versionAndWords, g.dice.byte())
	d.putLength(start)
	d.put16(int(h.id & 0xffff))
	d.put16(g.fragment(h.fragments))
	d.put(64, protocol, 0, 0)
	d.put(h.source.slice()...)
	d.put(h.destination.slice()...)
	d.put(g.noise[:4*(words-5)]...)
}

// fragment returns the flags and the offset of an IPv4 header, so many of a hundred
// times those of a fragment.
func (g *generator) fragment(percent int) int {
	if !g.dice.percent(percent) {
		return pick(&g.dice, 0, 0x4000, 0x8000)
	}
	return pick(&g.dice, 0x2000, 0x6000, 0x0001, 0x2001, 0x1fff, 0x1000, 0x0100, g.dice.below(0x10000))
}

// ipv6 drafts a header and at times extension headers.
func (g *generator) ipv6(h header) {
	d := &g.draft
	protocol := h.protocol
	d.mark()
	start := d.len()
	version := byte(6)
	if g.dice.percent(1) {
		version = byte(g.dice.below(16))
	}
	if g.dice.percent(1) {
		protocol = pick(&g.dice, frames.ProtocolTCP, frames.ProtocolICMPv6, 59, g.dice.byte())
	}
	extensions := 0
	if g.dice.percent(25) {
		extensions = pickWeighted(&g.dice, []weighted[int]{{50, 1}, {20, 2}, {10, 3}, {5, 7}, {10, 8}, {5, 9}})
	}
	d.put(version<<4|byte(g.dice.below(16)), g.dice.byte(), g.dice.byte(), g.dice.byte())
	d.putLength(start + 40)
	next := d.len()
	d.put(protocol, 64)
	d.put(h.source.slice()...)
	d.put(h.destination.slice()...)
	for range extensions {
		next = g.extension(next, &h)
	}
}

// extension drafts an extension header in front of what the byte at next says
// will follow, and returns where its own next header is.
func (g *generator) extension(next int, h *header) int {
	d := &g.draft
	d.mark()
	kind := pickWeighted(&g.dice, []weighted[byte]{
		{34, frames.ProtocolHopByHop}, {30, frames.ProtocolDestination}, {30, frames.ProtocolRouting},
		{4, frames.ProtocolFragment}, {2, frames.ProtocolAH},
	})
	if g.dice.percent(2 * h.fragments) {
		kind = frames.ProtocolFragment
	}
	units := pickWeighted(&g.dice, []weighted[int]{{60, 0}, {20, 1}, {15, 2}, {5, 20}})
	if g.dice.percent(1) {
		units = g.dice.below(256)
	}
	start := d.len()
	d.put(d.bytes[next], byte(units))
	d.bytes[next] = kind
	if kind == frames.ProtocolFragment {
		d.put16(pick(&g.dice, 0, 1, 2, 6, 8, 9, 0x100, 0xfff8))
		d.put32(h.id)
		return start
	}
	d.put(g.noise[:6+8*units]...)
	return start
}
