package judges

import "github.com/xdpeel/xdpeel/lab/frames"

// mirrored drafts a frame that is a mirrored packet unless a die says otherwise.
func (g *generator) mirrored() {
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
func (g *generator) ethernet(tags, etherType int) {
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
func (g *generator) datagram(version int, content func(udp int)) {
	d := &g.draft
	open := len(d.open)
	g.ip(header{
		version: version, protocol: frames.ProtocolUDP, id: uint32(g.dice.Uint64()), fragments: 5,
		source: g.cast.source(&g.dice, version), destination: g.cast.inner(&g.dice, version),
	})
	d.mark()
	udp := d.len()
	d.put16(g.dice.below(0x10000))
	d.put16(0) // content knows
	d.putLength(udp)
	d.put16(0)
	content(udp)
	d.end(open)
}
