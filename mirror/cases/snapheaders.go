package cases

import (
	"fmt"
	"slices"

	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// snapHeaders is where the headers of IPv4 end.
func snapHeaders(t *table) Group {
	const ip = 14 + 20
	payload := frames.Payload(100)
	sent := func(name string, inner []byte, end int) *Case {
		return t.delivered(name, t.carry(inner)).keeps(end)
	}
	sent("tcp", egress, ip+20)
	for _, words := range []byte{0, 4, 5, 6, 15} {
		sent(fmt.Sprintf("tcp of %d words", words), set(egress, ip+12, words<<4), ip+max(20, int(words)*4))
	}
	sent("tcp options behind the frame", set(egress, ip+12, 0xf0)[:ip+40], ip+60).cutFrom(len(egress))
	sent("tcp without payload", frames.TCPFrame(eni, other, nil), ip+20)
	sent("udp", frames.UDPFrame(eni, other, payload), ip+8)
	sent("udp without payload", frames.UDPFrame(eni, other, nil), ip+8)
	sent("icmp", frames.EchoFrame(eni, other, 1, payload), ip+8)
	sent("sctp", egressIP(frames.IP{Protocol: protocolSCTP}, payload), ip+12)
	sent("icmpv6", egressIP(frames.IP{Protocol: frames.ProtocolICMPv6}, payload), ip+8)
	for _, protocol := range []uint8{0, 44, 47, 60, 136} {
		sent("ipv4 "+protocolName(protocol), egressIP(frames.IP{Protocol: protocol}, payload), ip)
	}
	options := frames.IP{Protocol: frames.ProtocolUDP, Options: make([]byte, 40)}
	sent("udp behind options", egressIP(options, payload), ip+40+8)
	sent("udp behind options, cut", egressIP(options, payload)[:ip+20], ip+40+8).cutFrom(ip + 40 + 100)
	sent("udp, first fragment", egressIP(frames.IP{Protocol: frames.ProtocolUDP, MoreFragments: true}, payload), ip+8)
	sent("udp, later fragment", egressIP(frames.IP{Protocol: frames.ProtocolUDP, Offset: 1}, payload), ip)
	later := frames.IP{Protocol: frames.ProtocolTCP, Offset: 1, Options: make([]byte, 8)}
	sent("tcp, later fragment behind options", egressIP(later, payload), ip+8)
	for n := 1; n <= 3; n++ {
		tagged := frames.Tagged(egress, make([]frames.Tag, n)...)
		sent(fmt.Sprintf("tcp behind %d tags", n), tagged, ip+4*n+20)
	}
	sent("udp, padded", padded(frames.UDPFrame(eni, other, nil), 18), ip+8)
	bare := frames.UDPFrame(eni, other, payload)[14:]
	t.delivered("udp, bare", t.bareGENEVE(frames.EtherTypeIPv4, bare)).bare(frames.EtherTypeIPv4, bare).keeps(ip + 8)
	t.stripped("gwlb", t.good()).keeps(ip + 20)
	return t.snapGroup("snap length headers of ipv4", mirror.Snap{Headers: true})
}

// snapHeaders6 is where the headers of IPv6 end.
func snapHeaders6(t *table) Group {
	const ip = 14 + 40
	payload := frames.Payload(100)
	sent := func(name string, end int, protocol uint8, extensions ...frames.Extension) {
		t.delivered(name, t.carry6(egressIPv6(protocol, payload, extensions...))).keeps(ip + end)
	}
	t.delivered("tcp", t.good6()).keeps(ip + 20)
	sent("udp", 8, frames.ProtocolUDP)
	sent("icmpv6", 8, frames.ProtocolICMPv6)
	sent("icmp", 8, frames.ProtocolICMP)
	sent("sctp", 12, protocolSCTP)
	sent("no next header", 0, 59)
	sent("udp behind hop by hop", 8+8, frames.ProtocolUDP, hopByHop)
	sent("udp behind three", 8+24+16+8, frames.ProtocolUDP, hopByHop, routing, destination)
	sent("udp, atomic fragment", 8+8, frames.ProtocolUDP, atomic)
	sent("udp, first fragment", 8+8, frames.ProtocolUDP, firstFragment)
	sent("udp, later fragment", 8, frames.ProtocolUDP, laterFragment)
	sent("udp, later fragment behind destination", 16+8, frames.ProtocolUDP, destination, laterFragment)
	sent("udp, later fragment before destination", 8, frames.ProtocolUDP, laterFragment, destination)
	sent("udp behind eight", 8*16+8, frames.ProtocolUDP, slices.Repeat([]frames.Extension{destination}, 8)...)
	sent("udp behind nine", 8*16, frames.ProtocolUDP, slices.Repeat([]frames.Extension{destination}, 9)...)
	sent("authentication", 0, frames.ProtocolUDP, frames.PaddedExtension(frames.ProtocolAH, 24))
	t.delivered("extension that runs over the frame", t.carry6(set(egressIPv6(17, payload, destination), 14+41, 255)))
	t.delivered("udp, tagged", t.carry6(frames.Tagged(egressIPv6(17, payload), frames.Tag{}))).keeps(4 + ip + 8)
	return t.snapGroup("snap length headers of ipv6", mirror.Snap{Headers: true})
}

// snapHeadersOfOther is where the headers end of what is not IP.
func snapHeadersOfOther(t *table) Group {
	see := func(name string, inner []byte, end int) *Case {
		return t.delivered(name, t.carry(inner)).unknown().keeps(end)
	}
	tag := frames.Tag{}
	arp := frames.ARPFrame(eni, other)
	see("arp", arp, 42)
	see("arp, padded", padded(arp, 18), 60)
	see("arp, tagged", frames.Tagged(arp, tag), 46)
	see("arp of ten bytes", arp[:24], 24)
	see("rarp", rarp, 42)
	see("mpls", mpls, 14)
	see("mpls, tagged", frames.Tagged(mpls, tag, tag), 22)
	see("802.3 length", frames.Ethernet(other.MAC, eni.MAC, 30, frames.Payload(46)), 14)
	see("four tags", frames.Tagged(egress, tag, tag, tag, tag), 26)
	see("tag 0x9100", frames.Tagged(egress, frames.Tag{Protocol: 0x9100}), 14)
	see("ipv4 version 6", set(egress, 14, 0x65), 14)
	see("ipv4 header length 16", set(egress, 14, 0x44), 14)
	see("ipv6 version 4", set(egress6, 14, 0x45), 14)
	tagged := frames.Tagged(egress, tag, tag)
	for length := 14; length <= 22; length++ {
		see(fmt.Sprintf("tags cut at %d", length), tagged[:length], 14+(length-14)/4*4).cutFrom(length)
	}
	payload := frames.Payload(30)
	t.delivered("bare", t.bareGENEVE(0x88cc, payload)).bare(0x88cc, payload).unknown().keeps(14)
	t.delivered("bare arp", t.bareGENEVE(frames.EtherTypeARP, arp[14:])).bare(frames.EtherTypeARP, arp[14:]).unknown()
	return t.snapGroup("snap length headers of other frames", mirror.Snap{Headers: true})
}

// snapHeadersCut cuts frames at every byte, as a session's packet length does.
func snapHeadersCut(t *table) Group {
	whole := set(egress, 14+20+12, 8<<4)
	for length := 14; length < 14+20+32+4; length++ {
		c := t.delivered(fmt.Sprintf("tcp cut at %d", length), t.carry(whole[:length]))
		c.cutAt(length, len(whole), 14+4, 14+20)
		switch {
		case length < 14+20:
			c.keeps(14)
		case length < 14+20+13:
			c.keeps(14 + 20 + 20)
		default:
			c.keeps(14 + 20 + 32)
		}
	}
	whole6 := egressIPv6(frames.ProtocolUDP, frames.Payload(40), destination)
	for length := 14; length < 14+40+16+8+4; length++ {
		c := t.delivered(fmt.Sprintf("ipv6 cut at %d", length), t.carry6(whole6[:length]))
		c.cutAt(length, len(whole6), 14+6, 14+40)
		switch {
		case length < 14+40:
			c.keeps(14)
		case length < 14+40+4:
			c.keeps(14 + 40)
		default:
			c.keeps(14 + 40 + 16 + 8)
		}
	}
	return t.snapGroup("snap length headers of cut frames", mirror.Snap{Headers: true})
}

// snapHeadersOfCapture cuts frames by a capture file's snap length: headers are
// looked for in what was captured.
func snapHeadersOfCapture(t *table) Group {
	whole := set(egress, 14+20+12, 8<<4)
	at := t.carry(whole).Offsets().Inner
	t.delivered("tcp, its options captured", t.carry(whole)).atHand(at + 90).keeps(14 + 20 + 32)
	t.delivered("tcp, cut behind its data offset", t.carry(whole)).atHand(at + 14 + 20 + 13).keeps(14 + 20 + 32)
	t.delivered("tcp, cut before its data offset", t.carry(whole)).atHand(at + 14 + 20 + 12).keeps(14 + 20 + 20)
	t.delivered("tcp, cut in its ip header", t.carry(whole)).atHand(at + 14 + 19).unknown().keeps(14)
	t.delivered("arp, cut", t.carry(frames.ARPFrame(eni, other))).atHand(at + 20).unknown()
	return t.snapGroup("snap length headers of captured frames", mirror.Snap{Headers: true})
}
