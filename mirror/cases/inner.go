package cases

import (
	"fmt"

	"github.com/xdpeel/xdpeel/lab/frames"
)

// addInner is inner frames that no judge refuses.
func addInner(t *table) {
	t.delivered("inner ipv6", t.good6())
	t.delivered("inner udp", t.carry(frames.UDPFrame(eni, other, frames.Payload(33))))
	t.delivered("inner icmp", t.carry(frames.EchoFrame(eni, other, 1, frames.Payload(56))))
	t.delivered("inner arp", t.carry(frames.ARPFrame(eni, other))).unknown()
	t.delivered("inner mpls", t.carry(frames.Ethernet(other.MAC, eni.MAC, frames.EtherTypeMPLS,
		frames.MPLS(egress[14:], 16, 17)))).unknown()
	t.delivered("inner 802.3 length", t.carry(frames.Ethernet(other.MAC, eni.MAC, 30, frames.Payload(46)))).unknown()
	t.delivered("inner ethertype only", t.carry(frames.Ethernet(other.MAC, eni.MAC, 0x88cc, nil))).unknown()

	options := frames.IP{Source: eni.Address, Destination: other.Address, Protocol: frames.ProtocolUDP, Options: frames.Payload(40)}
	t.delivered("inner ipv4 options", t.carry(frames.Ethernet(other.MAC, eni.MAC, frames.EtherTypeIPv4,
		options.Packet(frames.Payload(30)))))
	for _, offset := range []uint16{0, 100} {
		fragment := frames.IP{Source: eni.Address, Destination: other.Address, Protocol: frames.ProtocolUDP,
			Offset: offset, MoreFragments: true}
		t.delivered(fmt.Sprintf("inner ipv4 fragment at %d", offset*8), t.carry(frames.Ethernet(
			other.MAC, eni.MAC, frames.EtherTypeIPv4, fragment.Packet(frames.Payload(64)))))
	}
	for _, extension := range []frames.Extension{
		frames.PaddedExtension(frames.ProtocolHopByHop, 8),
		frames.PaddedExtension(frames.ProtocolAH, 24),
		frames.FragmentExtension(9, true, 1),
	} {
		m := t.good6()
		header := frames.IP{Source: eni6.Address, Destination: other6.Address, Protocol: frames.ProtocolUDP,
			Extensions: []frames.Extension{extension}}
		m.Inner = frames.Ethernet(other.MAC, eni.MAC, frames.EtherTypeIPv6, header.Packet(frames.Payload(64)))
		t.delivered(fmt.Sprintf("inner ipv6 extension %d", extension.Protocol), m)
	}
	badSums := set(egress, 14+10, 0xde, 0xad)
	t.delivered("inner checksums wrong", t.carry(set(badSums, 14+20+16, 0xbe, 0xef)))
}

// addInnerTags is how many tags are looked through for an inner IP header.
func addInnerTags(t *table) {
	q, ad := frames.Tag{Control: 5}, frames.Tag{Protocol: frames.EtherTypeQinQ, Control: 6}
	for _, stack := range [][]frames.Tag{{q}, {ad}, {ad, q}, {q, q, q}} {
		tagged := frames.Tagged(egress, stack...)
		name := fmt.Sprintf("inner tags %d of %#04x", len(stack), tagged[12:14])
		t.delivered(name, t.carry(tagged))
		t.delivered(name+", cut", t.carry(tagged[:len(tagged)-30])).cutFrom(len(tagged))
		t.delivered(name+", padded", t.carry(padded(tagged, 3)))
	}
	fourth := frames.Tagged(egress, ad, q, q, q)
	t.delivered("inner tags four", t.carry(fourth)).unknown()
	t.delivered("inner tags four, cut", t.carry(fourth[:60])).unknown()
	t.delivered("inner tags four, cut within the fourth", t.carry(fourth[:27])).unknown()
	t.delivered("inner tag 0x9100", t.carry(frames.Tagged(egress, frames.Tag{Protocol: 0x9100}))).unknown()
	t.delivered("inner tag before arp", t.carry(frames.Tagged(frames.ARPFrame(eni, other), q))).unknown()

	three := frames.Tagged(egress, ad, q, q)
	for length := 14; length < 26; length++ {
		t.delivered(fmt.Sprintf("inner tags three, cut at %d", length), t.carry(three[:length])).unknown().cutFrom(length)
	}
}

// addInnerLengths is what an inner IP header is believed to say.
func addInnerLengths(t *table) {
	// carried adds a frame in which nothing says how long it was.
	carried := func(name string, inner []byte) *Case { return t.delivered("inner "+name, t.carry(inner)) }
	small := frames.TCPFrame(eni, other, nil)
	carried("padded to 60 bytes", padded(small, 6))
	carried("with a trailer", padded(egress, 50))

	carried("ipv4 length 0", set(egress, 16, 0, 0))
	carried("ipv4 length 19", set(egress, 16, 0, 19))
	carried("ipv4 length 20", set(egress, 16, 0, 20))
	carried("ipv4 length 20, header cut", set(egress, 16, 0, 20)[:30]).unknown().cutFrom(34)
	carried("ipv4 length 65535", set(egress, 16, 0xff, 0xff)).cutFrom(14 + 65535)
	carried("ipv4 length one over", set(egress, 17, egress[17]+1)).cutFrom(len(egress) + 1)
	carried("ipv4 length within options", set(set(egress, 14, 0x46), 16, 0, 23))
	carried("ipv4 length 0, header cut", set(egress, 16, 0, 0)[:33]).unknown().cutFrom(33)
	carried("ipv4 header length 60, cut", set(egress, 14, 0x4f)[:50]).cutFrom(len(egress))
	carried("ipv4 length under its header's, header cut", set(set(egress, 14, 0x4f), 16, 0, 59)[:40])

	carried("ipv4 version 6", set(egress, 14, 0x65)).unknown()
	carried("ipv4 version 6, cut", set(egress, 14, 0x65)[:60]).unknown()
	carried("ipv4 version 6, header cut", set(egress, 14, 0x65)[:30]).unknown()
	carried("ipv4 version 6, four bytes", set(egress, 14, 0x65)[:18]).unknown()
	carried("ipv4 version 6, three bytes", set(egress, 14, 0x65)[:17]).unknown().cutFrom(17)
	carried("ipv4 header length 16", set(egress, 14, 0x44)).unknown()
	carried("ipv4 header length 16, cut", set(egress, 14, 0x44)[:30]).unknown()
	carried("ipv4 header length 16, one byte", set(egress, 14, 0x44)[:15]).unknown().cutFrom(15)

	carried6 := func(name string, inner []byte) *Case {
		m := t.good6()
		m.Inner = inner
		return t.delivered("inner "+name, m)
	}
	carried6("ipv6 length 0", set(egress6, 18, 0, 0))
	carried6("ipv6 length 0, header cut", set(egress6, 18, 0, 0)[:53]).unknown().cutFrom(53)
	carried6("ipv6 length 1", set(egress6, 18, 0, 1))
	carried6("ipv6 length 65535", set(egress6, 18, 0xff, 0xff)).cutFrom(14 + 40 + 65535)
	carried6("ipv6 padded", padded(egress6, 2))
	carried6("ipv6 version 4", set(egress6, 14, 0x45)).unknown()
	carried6("ipv6 version 4, cut", set(egress6, 14, 0x45)[:40]).unknown()
	carried6("ipv6 version 4, five bytes", set(egress6, 14, 0x45)[:19]).unknown().cutFrom(19)
}

// addInnerCuts cuts frames at every byte, as a session's packet length does.
func addInnerCuts(t *table) {
	tagged := frames.Tagged(egress, frames.Tag{Control: 5})
	for length := 14; length < len(egress); length++ {
		c := t.delivered(fmt.Sprintf("inner ipv4 cut at %d", length), t.carry(egress[:length]))
		c.cutAt(length, len(egress), 14+4, 14+20)
	}
	for length := 14; length < len(egress6); length++ {
		m := t.good6()
		m.Inner = egress6[:length]
		c := t.delivered(fmt.Sprintf("inner ipv6 cut at %d", length), m)
		c.cutAt(length, len(egress6), 14+6, 14+40)
	}
	for length := 14; length < 14+4+24; length++ {
		c := t.delivered(fmt.Sprintf("inner tagged ipv4 cut at %d", length), t.carry(tagged[:length]))
		c.cutAt(length, len(tagged), 18+4, 18+20)
	}
}

// cutAt says that a frame of whole bytes was cut to length, and where its IP
// header has said how long it is and whose.
func (c *Case) cutAt(length, whole, lengthEnd, headerEnd int) {
	c.cutFrom(length)
	if length >= lengthEnd {
		c.Length = whole
	}
	if length < headerEnd {
		c.unknown()
	}
}
