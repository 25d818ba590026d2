package cases

import (
	"encoding/binary"
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// addGENEVE is rules 9 and 10 of GENEVE that carries Ethernet.
func addGENEVE(t *table) {
	t.delivered("geneve", t.goodGENEVE())
	for version := byte(1); version <= 3; version++ {
		t.left(fmt.Sprintf("geneve version %d", version), abi.OutcomeMalformedGENEVE,
			t.goodGENEVE(), frames.SetTunnel(0, version<<6))
	}
	t.delivered("geneve control bit", t.goodGENEVE(), frames.SetTunnel(1, 0x80))
	t.delivered("geneve critical bit", t.goodGENEVE(), frames.SetTunnel(1, 0x40))
	t.delivered("geneve reserved bits", t.goodGENEVE(), frames.SetTunnel(1, 0x3f))
	t.delivered("geneve last byte", t.goodGENEVE(), frames.SetTunnel(7, 0xff))
	t.delivered("geneve over ipv6", func() frames.Mirrored {
		m := t.good6()
		m.UDP.Destination = frames.PortGENEVE
		m.Tunnel = frames.GENEVE{VNI: t.vni(), Protocol: frames.EtherTypeEthernet}.Header()
		return m
	}())
	for _, vni := range []uint32{0, 0xffffff} {
		m := t.goodGENEVE()
		m.Tunnel = frames.GENEVE{VNI: vni, Protocol: frames.EtherTypeEthernet}.Header()
		m.IP.Source = third.Address // not the session of the VXLAN case with this VNI
		t.delivered(fmt.Sprintf("geneve vni %#06x", vni), m).unknown()
	}
	for _, protocol := range []uint16{0, 1, 0x05ff} {
		t.left(fmt.Sprintf("geneve protocol %#04x", protocol), abi.OutcomeMalformedGENEVE,
			t.goodGENEVE(), frames.SetTunnel(2, byte(protocol>>8), byte(protocol)))
	}
	for _, length := range []int{0, 1, 13} {
		m := t.goodGENEVE()
		m.Inner = egress[:length]
		t.left(fmt.Sprintf("geneve inner frame of %d bytes", length), abi.OutcomeMalformedInner, m)
	}
	shortest := t.goodGENEVE()
	shortest.Inner = egress[:14]
	t.delivered("geneve inner frame of 14 bytes", shortest).unknown().cutFrom(14)
	inside := t.goodGENEVE()
	inside.Inner = frames.Wrap(egress, t.vni(), eni.Address, target)
	t.delivered("geneve with ethernet and vxlan in it", inside)
}

// addOptions is the GENEVE option list as rule 9 sees it.
func addOptions(t *table) {
	for length := 4; length <= 252; length += 4 {
		t.delivered(fmt.Sprintf("geneve options %d bytes", length), t.goodGENEVE(foreignOptions(length)))
	}
	long := t.goodGENEVE()
	long.Inner = egress[:20]
	t.left("geneve options behind the datagram", abi.OutcomeMalformedGENEVE, long, frames.SetTunnel(0, 6))
	t.left("geneve options behind the datagram, not the frame", abi.OutcomeMalformedGENEVE, func() frames.Mirrored {
		m := t.goodGENEVE()
		m.Inner, m.Trailer = egress[:20], frames.Payload(300)
		return m
	}(), frames.SetTunnel(0, 6))
	t.left("geneve options to the datagram's end", abi.OutcomeMalformedInner, long, frames.SetTunnel(0, 5))
	t.left("geneve options of the largest length", abi.OutcomeMalformedGENEVE, long, frames.SetTunnel(0, 63))
}

// foreignOptions returns an option list of length bytes, none of them AWS's.
func foreignOptions(length int) []byte {
	var list []byte
	for length > 0 {
		value := min(length-4, 124)
		list = append(list, frames.Option(0x0132, 0x81, frames.Payload(value))...)
		length -= 4 + value
	}
	return list
}

// bareGENEVE returns a GENEVE packet that carries a payload without Ethernet.
func (t *table) bareGENEVE(etherType uint16, payload []byte) frames.Mirrored {
	m := t.goodGENEVE()
	m.Tunnel = frames.GENEVE{VNI: t.vni(), Protocol: etherType}.Header()
	m.Inner = payload
	return m
}

// addBare is rule 9 of GENEVE that carries anything but Ethernet.
func addBare(t *table) {
	bare := func(name string, etherType uint16, payload []byte) *Case {
		return t.delivered("geneve bare "+name, t.bareGENEVE(etherType, payload)).bare(etherType, payload)
	}
	bare("ipv4", frames.EtherTypeIPv4, egress[14:])
	bare("ipv4 ingress", frames.EtherTypeIPv4, ingress[14:]).Direction = abi.DirectionIngress
	bare("ipv6", frames.EtherTypeIPv6, egress6[14:]).unknown()
	bare("arp", frames.EtherTypeARP, frames.ARPRequest(eni.MAC, eni.Address, other.Address)).unknown()
	bare("mpls", frames.EtherTypeMPLS, frames.MPLS(egress[14:], 100)).unknown()
	bare("ethertype 0x0600", 0x0600, frames.Payload(30)).unknown()
	bare("ethertype 0xffff", 0xffff, frames.Payload(30)).unknown()
	bare("of one byte", 0x88cc, []byte{2}).unknown()
	bare("ipv4 of one byte", frames.EtherTypeIPv4, egress[14:15]).unknown().cutFrom(15)
	bare("ipv4 cut", frames.EtherTypeIPv4, egress[14:60]).cutFrom(len(egress))
	bare("behind a tag", frames.EtherTypeVLAN, frames.Tagged(egress, frames.Tag{Control: 9})[14:])
	for _, etherType := range []uint16{frames.EtherTypeIPv4, frames.EtherTypeIPv6, 0x0600} {
		t.left(fmt.Sprintf("geneve bare %#04x of no bytes", etherType), abi.OutcomeMalformedInner, t.bareGENEVE(etherType, nil))
	}
}

// addEndpoint is how the endpoint's id is found among options.
func addEndpoint(t *table) {
	const id = 0x0123456789abcdef
	value := binary.BigEndian.AppendUint64(nil, id)
	endpoint := frames.Option(frames.ClassAWS, 1, value)
	attachment := frames.Option(frames.ClassAWS, 2, make([]byte, 8))
	foreign := frames.Option(0x0132, 1, frames.Payload(8))
	empty := frames.Option(0x0132, 7, nil)
	found := func(name string, options ...[]byte) *Case {
		c := t.delivered("endpoint "+name, t.goodGENEVE(options...))
		c.Endpoint = id
		return c
	}
	found("alone", endpoint)
	found("first", endpoint, attachment)
	found("not first", attachment, foreign, endpoint)
	found("behind an option of no bytes", empty, endpoint)
	found("behind the longest option", frames.Option(0x0132, 7, frames.Payload(124)), endpoint)
	found("twice", endpoint, frames.Option(frames.ClassAWS, 1, frames.Payload(8)))
	found("behind one of four bytes", frames.Option(frames.ClassAWS, 1, frames.Payload(4)), endpoint)
	found("behind one of twelve bytes", frames.Option(frames.ClassAWS, 1, frames.Payload(12)), endpoint)
	found("with reserved bits", set(endpoint, 3, 0xe2))
	found("before a torn option", endpoint, set(empty, 3, 31))
	found("at the end of 252 bytes", foreignOptions(240), endpoint)

	missing := func(name string, options ...[]byte) *Case {
		return t.delivered("endpoint "+name, t.goodGENEVE(options...))
	}
	missing("of another class", foreign)
	missing("of another type", attachment)
	missing("of critical type", frames.Option(frames.ClassAWS, 0x81, value))
	missing("of four bytes", frames.Option(frames.ClassAWS, 1, value[:4]))
	missing("behind a torn option", set(empty, 3, 31), endpoint)
	missing("torn", set(endpoint[:8], 3, 2))
	// The list ends before the option does, though the datagram goes on.
	m := t.goodGENEVE(endpoint)
	c := t.delivered("endpoint torn by the list's length", m, frames.SetTunnel(0, 2))
	c.Inner = m.Bytes()[m.Offsets().Inner-4:]
	c.Offset -= 4
	c.Arrived, c.Length = len(c.Inner), len(c.Inner)
	c.unknown()
}
