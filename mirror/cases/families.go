package cases

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// Frames of the families that the conversation does not have.
var (
	rarp  = frames.Ethernet(other.MAC, eni.MAC, 0x8035, frames.ARPRequest(eni.MAC, third.Address, target))
	mpls  = frames.Ethernet(other.MAC, eni.MAC, frames.EtherTypeMPLS, frames.MPLS(egress[14:], 16))
	eapol = frames.Ethernet(other.MAC, eni.MAC, 0x888e, []byte{1, 1, 0, 0})
)

// Extension headers.
var (
	hopByHop      = frames.PaddedExtension(frames.ProtocolHopByHop, 8)
	routing       = frames.PaddedExtension(frames.ProtocolRouting, 24)
	destination   = frames.PaddedExtension(frames.ProtocolDestination, 16)
	atomic        = frames.FragmentExtension(0, false, 77)
	firstFragment = frames.FragmentExtension(0, true, 78)
	laterFragment = frames.FragmentExtension(9, true, 78)
)

// families has a rule for each family, so that the rule tells which one was seen.
func families(t *table) Group {
	rules := make([]mirror.Rule, abi.FamilyMax)
	for family := range rules {
		rules[family].Families = 1 << family
	}
	f := familyTable{t}
	f.addIPv4()
	f.addIPv6()
	f.addOthers()
	return t.filteredBy("families", accepting(rules...))
}

type familyTable struct{ *table }

const isTagged = abi.FamilyTagged

// sent adds a frame whose direction is egress, unsent one of unknown direction.
func (t familyTable) sent(name string, m frames.Mirrored, family abi.Family) *Case {
	return t.delivered(name, m).by(int(abi.FamilyMax + family + 1))
}

func (t familyTable) unsent(name string, inner []byte, family abi.Family) *Case {
	return t.delivered(name, t.carry(inner)).unknown().by(int(family + 1))
}

func (t familyTable) addIPv4() {
	q, ad := frames.Tag{Control: 5}, frames.Tag{Protocol: frames.EtherTypeQinQ}
	t.sent("ipv4", t.good(), abi.FamilyIPv4)
	t.sent("ipv4 fragment", t.carry(egressIP(frames.IP{Protocol: frames.ProtocolUDP, Offset: 5}, frames.Payload(40))), abi.FamilyIPv4)
	t.sent("ipv4 options", t.carry(egressIP(frames.IP{Protocol: frames.ProtocolUDP, Options: frames.Payload(40)}, nil)), abi.FamilyIPv4)
	t.sent("ipv4 options cut", t.carry(set(egress, 14, 0x4f)[:34]), abi.FamilyIPv4).cutFrom(len(egress))
	for _, tags := range [][]frames.Tag{{q}, {ad}, {ad, q}, {q, q, q}} {
		tagged := frames.Tagged(egress, tags...)
		t.sent(fmt.Sprintf("ipv4 behind %d tags of %#04x", len(tags), tagged[12:14]), t.carry(tagged), abi.FamilyIPv4|isTagged)
	}
	t.unsent("ipv4 behind four tags", frames.Tagged(egress, q, q, q, q), abi.FamilyOther|isTagged)
	t.unsent("ipv4 behind tag 0x9100", frames.Tagged(egress, frames.Tag{Protocol: 0x9100}), abi.FamilyOther)
	t.unsent("ipv4 of 19 bytes", egress[:33], abi.FamilyOther).cutFrom(len(egress))
	t.unsent("ipv4 of 19 bytes, tagged", frames.Tagged(egress, q)[:37], abi.FamilyOther|isTagged).cutFrom(len(egress) + 4)
	t.unsent("ipv4 version 6", set(egress, 14, 0x65), abi.FamilyOther)
	t.unsent("ipv4 header length 16", set(egress, 14, 0x44), abi.FamilyOther)
	t.sent("ipv4 bare", t.bareGENEVE(frames.EtherTypeIPv4, egress[14:]), abi.FamilyIPv4).bare(frames.EtherTypeIPv4, egress[14:])
	behindTag := frames.Tagged(egress, q)[14:]
	t.sent("ipv4 bare, tagged", t.bareGENEVE(frames.EtherTypeVLAN, behindTag), abi.FamilyIPv4|isTagged).
		bare(frames.EtherTypeVLAN, behindTag)
}

func (t familyTable) addIPv6() {
	udp := func(name string, family abi.Family, extensions ...frames.Extension) {
		inner := egressIPv6(frames.ProtocolUDP, frames.Payload(40), extensions...)
		t.sent("ipv6 "+name, t.carry6(inner), family)
		t.sent("ipv6 "+name+", tagged", t.carry6(frames.Tagged(inner, frames.Tag{})), family|isTagged)
	}
	udp("alone", abi.FamilyIPv6)
	udp("fragment", abi.FamilyIPv6Fragment, firstFragment)
	udp("atomic fragment", abi.FamilyIPv6Fragment, atomic)
	udp("later fragment", abi.FamilyIPv6Fragment, laterFragment)
	udp("hop by hop", abi.FamilyIPv6Extensions, hopByHop)
	udp("routing", abi.FamilyIPv6Extensions, routing)
	udp("destination", abi.FamilyIPv6Extensions, destination)
	udp("fragment and destination", abi.FamilyIPv6Extensions, firstFragment, destination)
	udp("destination and fragment", abi.FamilyIPv6Extensions, destination, firstFragment)
	udp("two fragments", abi.FamilyIPv6Extensions, atomic, firstFragment)
	udp("later fragment and destination", abi.FamilyIPv6Fragment, laterFragment, destination)
	udp("authentication", abi.FamilyIPv6, frames.PaddedExtension(frames.ProtocolAH, 24))
	udp("chain of nine", abi.FamilyIPv6Extensions, slices.Repeat([]frames.Extension{destination}, 9)...)

	chain := egressIPv6(frames.ProtocolUDP, frames.Payload(40), hopByHop)
	t.sent("ipv6 extension cut", t.carry6(chain[:14+40+3]), abi.FamilyIPv6).cutFrom(len(chain))
	t.sent("ipv6 extension of four bytes", t.carry6(chain[:14+40+4]), abi.FamilyIPv6Extensions).cutFrom(len(chain))
	t.unsent("ipv6 of 39 bytes", egress6[:53], abi.FamilyOther).cutFrom(len(egress6))
	t.unsent("ipv6 version 4", set(egress6, 14, 0x45), abi.FamilyOther)
	t.unsent("ipv6 in ipv4", egress6, abi.FamilyIPv6)
}

func (t familyTable) addOthers() {
	arp := frames.ARPFrame(eni, other)
	tag := frames.Tag{}
	t.unsent("arp", arp, abi.FamilyARP)
	t.unsent("arp tagged", frames.Tagged(arp, tag), abi.FamilyARP|isTagged)
	t.unsent("arp of no bytes", arp[:14], abi.FamilyARP)
	t.unsent("rarp", rarp, abi.FamilyRARP)
	t.unsent("rarp tagged", frames.Tagged(rarp, tag, tag), abi.FamilyRARP|isTagged)
	t.unsent("mpls", mpls, abi.FamilyOther)
	t.unsent("mpls tagged", frames.Tagged(mpls, tag), abi.FamilyOther|isTagged)
	t.unsent("802.3 length", frames.Ethernet(other.MAC, eni.MAC, 30, frames.Payload(46)), abi.FamilyOther)
	t.unsent("ethernet header alone", egress[:14], abi.FamilyOther).cutFrom(14)
	t.unsent("ipv6 ethernet header alone", egress6[:14], abi.FamilyOther).cutFrom(14)
	tagged := frames.Tagged(egress, tag, tag)
	t.unsent("cut in the first tag", tagged[:17], abi.FamilyOther).cutFrom(17)
	t.unsent("cut behind the first tag", tagged[:18], abi.FamilyOther|isTagged).cutFrom(18)
	t.unsent("cut in the second tag", tagged[:21], abi.FamilyOther|isTagged).cutFrom(21)
	t.delivered("bare arp", t.bareGENEVE(frames.EtherTypeARP, arp[14:])).bare(frames.EtherTypeARP, arp[14:]).
		unknown().by(int(abi.FamilyARP) + 1)
	t.delivered("bare of one byte", t.bareGENEVE(0x88cc, []byte{2})).bare(0x88cc, []byte{2}).unknown().by(1)
}

// protocols has a rule for each protocol, so that the rule tells which one was seen.
func protocols(t *table) Group {
	rules := make([]mirror.Rule, 256)
	for protocol := range rules {
		rules[protocol].Protocol = mirror.Protocol{Number: uint8(protocol), Given: true}
	}
	payload := frames.Payload(40)
	for _, protocol := range []uint8{0, 1, 6, 17, 43, 44, 47, 51, 58, 60, 132, 255} {
		t.delivered("ipv4 "+protocolName(protocol), t.carry(egressIP(frames.IP{Protocol: protocol}, payload))).by(257 + int(protocol))
		t.delivered("ipv4 later fragment "+protocolName(protocol), t.carry(egressIP(frames.IP{Protocol: protocol, Offset: 3}, payload))).
			by(257 + int(protocol))
	}
	ipv6 := func(text string, seen uint8, inner []byte) *Case {
		return t.delivered("ipv6 "+text, t.carry6(inner)).by(257 + int(seen))
	}
	for _, protocol := range []uint8{6, 17, 58, 59, 132, 51, 50, 135, 139, 140} {
		ipv6(protocolName(protocol), protocol, egressIPv6(protocol, payload))
		ipv6("behind extensions "+protocolName(protocol), protocol, egressIPv6(protocol, payload, hopByHop, routing, destination))
		ipv6("first fragment "+protocolName(protocol), protocol, egressIPv6(protocol, payload, hopByHop, firstFragment, destination))
		ipv6("later fragment "+protocolName(protocol), protocol, egressIPv6(protocol, payload, hopByHop, laterFragment))
	}
	ipv6("behind eight", 6, egressIPv6(6, payload, slices.Repeat([]frames.Extension{destination}, 8)...))
	ipv6("behind nine", 60, egressIPv6(6, payload, slices.Repeat([]frames.Extension{destination}, 9)...))
	ipv6("later fragment of an extension", 60, egressIPv6(6, payload, laterFragment, destination))
	ipv6("later fragment of a fragment", 44, egressIPv6(6, payload, laterFragment, atomic))
	ipv6("behind authentication", 51, egressIPv6(6, payload, hopByHop, frames.PaddedExtension(frames.ProtocolAH, 24)))
	chain := egressIPv6(6, payload, hopByHop, destination)
	ipv6("cut in its first extension", 0, chain[:14+40+3]).cutFrom(len(chain))
	ipv6("cut behind the first extension's length", 60, chain[:14+40+4]).cutFrom(len(chain))
	ipv6("cut in its second extension", 60, chain[:14+48+3]).cutFrom(len(chain))
	ipv6("cut behind the second extension's length", 6, chain[:14+48+4]).cutFrom(len(chain))
	ipv6("extension that runs over the frame", 60, set(chain, 14+41, 200))
	t.delivered("arp", t.carry(frames.ARPFrame(eni, other))).unknown().by(0)
	t.delivered("mpls", t.carry(mpls)).unknown().by(0)
	return t.filteredBy("protocols", accepting(rules...))
}

func protocolName(protocol uint8) string { return "protocol " + strconv.Itoa(int(protocol)) }

// protocolAndFamily is what a rule says of frames that are not IP.
func protocolAndFamily(t *table) Group {
	const rules = 3
	t.delivered("ipv4 of protocol 0", t.carry(egressIP(frames.IP{}, nil))).by(rules + 1)
	t.delivered("ipv6 of protocol 0", t.carry6(egressIPv6(0, nil))).by(rules + 1)
	t.delivered("tcp", t.good()).by(rules + 2)
	t.delivered("tcp tagged", t.carry(frames.Tagged(egress, frames.Tag{}))).by(rules + 2)
	t.delivered("ipv6 behind extensions", t.carry6(egressIPv6(17, frames.Payload(8), destination))).by(rules + 2)
	t.delivered("ipv6 fragment", t.carry6(egressIPv6(17, frames.Payload(8), laterFragment))).by(rules + 2)
	for _, frame := range [][]byte{frames.ARPFrame(eni, other), rarp, mpls, eapol, frames.Tagged(mpls, frames.Tag{})} {
		t.delivered(fmt.Sprintf("ethertype %#04x", frame[12:14]), t.carry(frame)).unknown().by(3)
	}
	return t.filteredBy("protocol and family", accepting(
		mirror.Rule{Families: mirror.AllFamilies, Protocol: mirror.Protocol{Number: 0, Given: true}},
		mirror.Rule{},
		mirror.Rule{Families: mirror.AllFamilies},
	))
}
