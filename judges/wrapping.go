package judges

import "github.com/xdpeel/xdpeel/lab/frames"

// mirrored drafts a frame that is a mirrored packet unless a die says otherwise.
func (g *Generator) mirrored() {
	d := &g.draft
	version := pick(&g.dice, 4, 4, 4, 6)
	g.ethernet(pickWeighted(&g.dice, []weighted[int]{{80, 0}, {10, 1}, {7, 2}, {3, 3}}), etherTypeOf(version))
	g.datagram(version, g.tunnel)
	d.end(0)
	if g.dice.percent(10) { // padding, or a trailer
		d.put(g.noise[:g.dice.between(1, 40)]...)
	}
}

func etherTypeOf(version int) int {
	if version == 4 {
		return frames.EtherTypeIPv4
	}
	return frames.EtherTypeIPv6
}

// ethernet drafts a header with so many VLAN tags.
func (g *Generator) ethernet(tags, etherType int) {
	d := &g.draft
	d.mark()
	destination, source := g.cast.mac(&g.dice), g.cast.mac(&g.dice)
	d.put(destination[:]...)
	d.put(source[:]...)
	for range tags {
		d.put16(pick(&g.dice, frames.EtherTypeVLAN, frames.EtherTypeVLAN, frames.EtherTypeQinQ))
		d.mark()
		d.put16(g.dice.below(0x10000))
	}
	if g.dice.percent(2) {
		etherType = pick(&g.dice, frames.EtherTypeIPv4, frames.EtherTypeIPv6, frames.EtherTypeARP,
			frames.EtherTypeVLAN, frames.EtherTypeQinQ, frames.EtherTypeMPLS, 46, g.dice.below(0x10000))
	}
	d.put16(etherType)
}

// datagram drafts an IP packet with a UDP header, whose payload is written with
// the port known: content drafts it and returns the port.
func (g *Generator) datagram(version int, content func(udp int)) {
	d := &g.draft
	open := len(d.open)
	if version == 4 {
		g.ipv4(frames.ProtocolUDP, g.cast.source(&g.dice, 4))
	} else {
		g.ipv6(frames.ProtocolUDP, g.cast.source(&g.dice, 6))
	}
	d.mark()
	udp := d.len()
	d.put16(g.dice.below(0x10000))
	d.put16(0) // content knows
	d.putLength(udp)
	d.put16(0)
	content(udp)
	d.end(open)
}

// ipv4 drafts a header; its total length stays open.
func (g *Generator) ipv4(protocol byte, source *ip) {
	d := &g.draft
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
	d.put16(g.dice.below(0x10000))
	d.put16(g.fragment())
	d.put(64, protocol, 0, 0)
	d.put(source.slice()...)
	d.put(g.cast.inner(&g.dice, 4).slice()...)
	d.put(g.noise[:4*(words-5)]...)
}

// fragment returns the flags and the offset of an IPv4 header.
func (g *Generator) fragment() int {
	if g.dice.percent(95) {
		return pick(&g.dice, 0, 0x4000, 0x8000)
	}
	return pick(&g.dice, 0x2000, 0x6000, 0x0001, 0x2001, 0x1fff, 0x1000, 0x0100, g.dice.below(0x10000))
}

// ipv6 drafts a header and at times extension headers; its payload length stays
// open.
func (g *Generator) ipv6(protocol byte, source *ip) {
	d := &g.draft
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
	d.put(source.slice()...)
	d.put(g.cast.inner(&g.dice, 6).slice()...)
	for range extensions {
		next = g.extension(next)
	}
}

// extension drafts an extension header in front of what the byte at next says
// will follow, and returns where its own next header is.
func (g *Generator) extension(next int) int {
	d := &g.draft
	d.mark()
	kind := pickWeighted(&g.dice, []weighted[byte]{
		{34, frames.ProtocolHopByHop}, {30, frames.ProtocolDestination}, {30, frames.ProtocolRouting},
		{4, frames.ProtocolFragment}, {2, frames.ProtocolAH},
	})
	units := pickWeighted(&g.dice, []weighted[int]{{60, 0}, {20, 1}, {15, 2}, {5, 20}})
	if g.dice.percent(1) {
		units = g.dice.below(256)
	}
	start := d.len()
	d.put(d.bytes[next], byte(units))
	d.bytes[next] = kind
	if kind == frames.ProtocolFragment {
		d.put16(pick(&g.dice, 0, 1, 2, 6, 8, 9, 0x100, 0xfff8))
		d.put32(uint32(g.dice.Uint64()))
		return start
	}
	d.put(g.noise[:6+8*units]...)
	return start
}
