package judges

import (
	"encoding/binary"

	"github.com/xdpeel/xdpeel/lab/frames"
)

// tunnel drafts what is behind the outer UDP header at udp.
func (g *generator) tunnel(udp int) {
	vxlan := 50
	if len(g.options.VXLANPorts) == 0 {
		vxlan = 5
	} else if len(g.options.GENEVEPorts) == 0 {
		vxlan = 95
	}
	if g.dice.percent(vxlan) {
		g.setPort(udp, g.options.VXLANPorts)
		g.vxlan()
		return
	}
	g.setPort(udp, g.options.GENEVEPorts)
	g.geneve()
}

// setPort writes a destination port: mostly one that is configured.
func (g *generator) setPort(udp int, configured []uint16) {
	port := pick[uint16](&g.dice, 0, 53, 4788, 4789, 4790, 6081, 6082, 8472, 0xffff)
	if len(configured) > 0 && g.dice.percent(96) {
		port = pick(&g.dice, configured...)
	}
	binary.BigEndian.PutUint16(g.draft.bytes[udp+2:], port)
}

// vxlan drafts a VXLAN header and a frame.
func (g *generator) vxlan() {
	d := &g.draft
	d.mark()
	flags := byte(0x08)
	if g.dice.percent(5) {
		flags = g.dice.byte()
	}
	d.put(flags, 0, g.dice.byte(), 0)
	d.put32(g.cast.vni(&g.dice)<<8 | uint32(g.dice.byte()))
	g.innerFrame()
}

// geneve drafts a GENEVE header with its options, and what it carries.
func (g *generator) geneve() {
	d := &g.draft
	d.mark()
	start := d.len()
	protocol, carried := frames.EtherTypeEthernet, g.innerFrame
	switch {
	case g.dice.percent(35):
		version := pick(&g.dice, 4, 6)
		protocol, carried = etherTypeOf(version), func() { g.gatewayLoadBalancer(version) }
	case g.dice.percent(40):
		version := pick(&g.dice, 4, 6)
		protocol, carried = etherTypeOf(version), func() { g.innerIP(version) }
	case g.dice.percent(10):
		protocol, carried = pick(&g.dice, frames.EtherTypeARP, frames.EtherTypeMPLS, 0x0600, 0x05ff, 46, 0), g.payload
	}
	flags := byte(0)
	if g.dice.percent(10) {
		flags = g.dice.byte()
	}
	d.put(0, flags)
	d.put16(protocol)
	d.put32(g.cast.vni(&g.dice)<<8 | uint32(g.dice.byte()))
	words := g.geneveOptions()
	if g.dice.percent(2) { // options that end elsewhere than they say
		words = max(0, words+g.dice.between(-2, 2))
	}
	d.bytes[start] = byte(words & 0x3f)
	if g.dice.percent(1) {
		d.bytes[start] |= byte(g.dice.between(1, 3)) << 6
	}
	carried()
}

// geneveOptions drafts an option list and returns its length in words of 4 bytes.
func (g *generator) geneveOptions() int {
	d := &g.draft
	start := d.len()
	if g.dice.percent(5) { // an endpoint id behind as many options as there may be
		for range g.dice.between(15, 60) {
			g.option(0xffff, 0, 0)
		}
		g.option(frames.ClassAWS, 1, 2)
	}
	count := pickWeighted(&g.dice, []weighted[int]{{40, 0}, {30, 1}, {15, 2}, {10, 3}, {5, 20}})
	for range count {
		class, kind, words := frames.ClassAWS, g.dice.between(1, 3), pick(&g.dice, 0, 1, 1, 2, 2, 2, 5)
		if g.dice.percent(50) { // an endpoint id
			kind, words = 1, 2
		}
		if g.dice.percent(20) {
			class = pick(&g.dice, 0, 0x0107, 0x0801, 0xffff)
		}
		if (d.len()-start)/4+1+words > 63 {
			break
		}
		g.option(class, kind, words)
	}
	return (d.len() - start) / 4
}

// option drafts a GENEVE option with so many words behind its first, whose number
// it may give wrongly.
func (g *generator) option(class, kind, words int) {
	d := &g.draft
	said := byte(words)
	if g.dice.percent(3) {
		said = g.dice.byte() & 0x1f
	}
	d.mark()
	d.put16(class)
	d.put(byte(kind), said|g.dice.byte()&0xe0)
	for range words {
		d.put32(uint32(g.dice.Uint64()))
	}
}

// gatewayLoadBalancer drafts the bare IP packet of a mirrored packet.
func (g *generator) gatewayLoadBalancer(version int) {
	if g.dice.percent(2) { // not what the EtherType says
		version = 10 - version
	}
	g.datagram(version, func(udp int) {
		g.setPort(udp, g.options.VXLANPorts)
		g.vxlan()
	})
	if g.dice.percent(10) { // the datagram goes on behind the packet
		g.draft.put(g.noise[:g.dice.between(1, 20)]...)
	}
}
