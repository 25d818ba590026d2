package cases

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

const protocolSCTP = 132

// portPair returns the first four bytes of a TCP, UDP or SCTP header.
func portPair(source, destination uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, source), destination)
}

// portRange returns a range of ports, both ends included.
func portRange(first, last uint16) mirror.Ports {
	return mirror.Ports{First: first, Last: last, Given: true}
}

// portRules has ranges at both ends of what there is, then any port at all, then
// packets without ports.
func portRules() []mirror.Rule {
	return accepting(
		mirror.Rule{DestinationPorts: portRange(0, 0)},
		mirror.Rule{DestinationPorts: portRange(65535, 65535)},
		mirror.Rule{DestinationPorts: portRange(443, 443)},
		mirror.Rule{DestinationPorts: portRange(80, 90)},
		mirror.Rule{SourcePorts: portRange(1024, 65535), DestinationPorts: portRange(53, 53)},
		mirror.Rule{SourcePorts: portRange(0, 1023)},
		mirror.Rule{SourcePorts: portRange(0, 65535)},
		mirror.Rule{},
	)
}

const (
	ruleOfPort443 = 8 + 3 // for egress
	ruleWithout   = 8 + 8
)

// ports is which ports are in which range, and which packets have ports.
func ports(t *table) Group {
	for _, c := range []struct {
		source, destination uint16
		rule                int
	}{
		{5000, 0, 1}, {5000, 65535, 2}, {5000, 443, 3}, {5000, 442, 7}, {5000, 444, 7},
		{5000, 80, 4}, {5000, 85, 4}, {5000, 90, 4}, {5000, 79, 7}, {5000, 91, 7},
		{1024, 53, 5}, {65535, 53, 5}, {1023, 53, 6}, {0, 53, 6}, {443, 5000, 6},
		{1023, 7000, 6}, {1024, 7000, 7}, {0, 7000, 6}, {65535, 7000, 7}, {65535, 65534, 7}, {65535, 1, 7},
	} {
		from, to := eni, other
		from.Port, to.Port = c.source, c.destination
		text := fmt.Sprintf("%d to %d", c.source, c.destination)
		t.delivered("tcp "+text, t.carry(frames.TCPFrame(from, to, nil))).by(8 + c.rule)
		t.delivered("udp "+text, t.carry(frames.UDPFrame(from, to, nil))).by(8 + c.rule)
	}
	for _, c := range []struct {
		protocol uint8
		rule     int
	}{
		{frames.ProtocolTCP, ruleOfPort443}, {frames.ProtocolUDP, ruleOfPort443}, {protocolSCTP, ruleOfPort443},
		{frames.ProtocolICMP, ruleWithout}, {33, ruleWithout}, {136, ruleWithout}, {0, ruleWithout},
	} {
		t.delivered("ipv4 "+protocolName(c.protocol), t.carry(egressIP(frames.IP{Protocol: c.protocol}, portPair(5000, 443)))).by(c.rule)
	}
	t.delivered("icmpv6", t.carry6(egressIPv6(frames.ProtocolICMPv6, portPair(5000, 443)))).by(ruleWithout)
	t.delivered("sctp over ipv6", t.carry6(egressIPv6(protocolSCTP, portPair(5000, 443)))).by(ruleOfPort443)
	t.delivered("arp", t.carry(frames.ARPFrame(eni, other))).unknown().by(0)
	return t.filteredBy("ports", portRules())
}

// portsBehind is where ports are looked for.
func portsBehind(t *table) Group {
	udp := frames.IP{Protocol: frames.ProtocolUDP}
	payload := portPair(5000, 443)
	options := udp
	options.Options = make([]byte, 40)
	t.delivered("options", t.carry(egressIP(options, payload))).by(ruleOfPort443)
	t.delivered("tags", t.carry(frames.Tagged(egressIP(udp, payload), frames.Tag{}, frames.Tag{}, frames.Tag{}))).by(ruleOfPort443)
	t.delivered("padding", t.carry(padded(egressIP(udp, nil), 4))).by(8 + 1)
	t.delivered("three bytes", t.carry(egressIP(udp, payload[:3]))).by(ruleWithout)
	t.delivered("no byte", t.carry(egressIP(udp, nil))).by(ruleWithout)
	t.delivered("options cut", t.carry(egressIP(options, payload)[:14+59])).cutFrom(14 + 64).by(ruleWithout)
	bare := egressIP(udp, payload)[14:]
	t.delivered("bare", t.bareGENEVE(frames.EtherTypeIPv4, bare)).bare(frames.EtherTypeIPv4, bare).by(ruleOfPort443)
	for _, extensions := range [][]frames.Extension{
		{hopByHop}, {routing}, {destination}, {firstFragment}, {hopByHop, routing, firstFragment, destination},
		slices.Repeat([]frames.Extension{destination}, 8),
	} {
		frame := egressIPv6(frames.ProtocolUDP, payload, extensions...)
		text := fmt.Sprintf("%d extensions of %d", len(extensions), extensions[0].Protocol)
		t.delivered(text, t.carry6(frame)).by(ruleOfPort443)
		t.delivered(text+", cut", t.carry6(frame[:len(frame)-1])).cutFrom(len(frame)).by(ruleWithout)
	}
	t.delivered("nine extensions", t.carry6(egressIPv6(frames.ProtocolUDP, payload,
		slices.Repeat([]frames.Extension{destination}, 9)...))).by(ruleWithout)
	return t.filteredBy("ports behind", portRules())
}

// portsOfFragments is that a fragment has ports only if it is the first.
func portsOfFragments(t *table) Group {
	payload := slices.Concat(portPair(5000, 443), frames.Payload(36))
	for _, c := range []struct {
		name   string
		offset uint16
		more   bool
		rule   int
	}{
		{"first", 0, true, ruleOfPort443}, {"later", 1, true, ruleWithout}, {"last", 1, false, ruleWithout},
		{"at half the largest offset", 0x1000, false, ruleWithout}, {"at the largest offset", 0x1fff, true, ruleWithout},
	} {
		header := frames.IP{Protocol: frames.ProtocolUDP, Offset: c.offset, MoreFragments: c.more}
		t.delivered("ipv4 fragment "+c.name, t.carry(egressIP(header, payload))).by(c.rule)
		t.delivered("ipv6 fragment "+c.name, t.carry6(egressIPv6(frames.ProtocolUDP, payload,
			frames.FragmentExtension(c.offset, c.more, 7)))).by(c.rule)
	}
	whole := egressIP(frames.IP{Protocol: frames.ProtocolUDP}, payload)
	t.delivered("ipv4 don't fragment", t.carry(set(whole, 14+6, 0x40))).by(ruleOfPort443)
	t.delivered("ipv4 reserved flag", t.carry(set(whole, 14+6, 0x80))).by(ruleOfPort443)
	unfragmented := egressIPv6(frames.ProtocolUDP, payload, atomic)
	t.delivered("ipv6 fragment reserved bits", t.carry6(set(unfragmented, 14+43, 0x06))).by(ruleOfPort443)
	t.delivered("ipv6 fragment reserved byte", t.carry6(set(unfragmented, 14+41, 200))).by(ruleOfPort443)
	see := func(name string, rule int, extensions ...frames.Extension) {
		t.delivered("ipv6 "+name, t.carry6(egressIPv6(frames.ProtocolUDP, payload, extensions...))).by(rule)
	}
	see("atomic fragment", ruleOfPort443, atomic)
	see("first, then atomic", ruleOfPort443, firstFragment, atomic)
	see("atomic, then later", ruleWithout, atomic, laterFragment)
	see("later, then atomic", ruleWithout, laterFragment, atomic)
	see("later, behind an extension", ruleWithout, destination, laterFragment)
	return t.filteredBy("ports of fragments", portRules())
}
