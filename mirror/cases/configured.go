package cases

import (
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// Configured is a list of cases for a judge with options of its own.
type Configured struct {
	Name    string
	Options mirror.Options
	Cases   []Case
}

// AllConfigured returns the cases for judges that are told what to see, with a
// policy that takes all. As in All, no two of one judge share a session.
func AllConfigured() []Configured {
	list := []Configured{}
	for _, length := range []int{14, 15, 64, 9000} {
		list = append(list, Configured{
			fmt.Sprintf("snap length %d", length), mirror.Options{SnapLength: length}, snapped(length)})
	}
	return append(list,
		Configured{"ports", mirror.Options{
			VXLANPorts:  []uint16{8472, 4790, 1, 2, 3, 4, 5, 65535},
			GENEVEPorts: []uint16{6082, 4790, 6, 7, 8, 9, 10, 11},
		}, onPorts()},
		Configured{"no vxlan port", mirror.Options{VXLANPorts: []uint16{}}, withoutVXLAN()},
	)
}

// snapped returns the cases for a snap length: it cuts what is kept and changes
// nothing else.
func snapped(length int) []Case {
	var t table
	t.delivered("plain", t.good())
	t.delivered("tagged", t.carry(frames.Tagged(egress, frames.Tag{}, frames.Tag{}, frames.Tag{})))
	t.delivered("cut by the session too", t.carry(egress[:60])).cutFrom(len(egress))
	t.delivered("of 14 bytes", t.carry(egress[:14])).unknown().cutFrom(14)
	t.delivered("jumbo", t.carry(frames.TCPFrame(eni, other, frames.Payload(9001-54))))
	t.delivered("ipv6", t.good6())
	t.delivered("bare ipv4", t.bareGENEVE(frames.EtherTypeIPv4, egress[14:])).bare(frames.EtherTypeIPv4, egress[14:])
	t.delivered("bare of one byte", t.bareGENEVE(0x88cc, []byte{2})).bare(0x88cc, []byte{2}).unknown()
	t.stripped("gwlb", t.good())
	t.stays("vxlan i flag clear", t.good(), frames.SetTunnel(0, 0))
	for i := range t.cases {
		c := &t.cases[i]
		c.Inner = c.Inner[:min(length, len(c.Inner))]
	}
	return t.cases
}

// onPorts returns the cases for ports other than the usual ones. 4790 is in both
// lists, and so VXLAN's.
func onPorts() []Case {
	var t table
	to := func(m frames.Mirrored, port uint16) frames.Mirrored {
		m.UDP.Destination = port
		return m
	}
	for _, port := range []uint16{8472, 4790, 1, 5, 65535} {
		t.delivered(fmt.Sprintf("vxlan to %d", port), to(t.good(), port))
	}
	for _, port := range []uint16{6082, 6, 11} {
		t.delivered(fmt.Sprintf("geneve to %d", port), to(t.goodGENEVE(), port)).Tunnel = abi.TunnelGENEVE
		t.left(fmt.Sprintf("vxlan to %d", port), abi.OutcomeMalformedGENEVE, to(t.good(), port))
	}
	t.left("geneve to 4790", abi.OutcomeMalformedVXLAN, to(t.goodGENEVE(), 4790))
	t.left("vxlan to 4789", abi.OutcomeHost, t.good())
	t.left("geneve to 6081", abi.OutcomeHost, t.goodGENEVE())
	t.left("vxlan to 0", abi.OutcomeHost, to(t.good(), 0))

	for _, port := range []uint16{8472, 4790} {
		second := to(t.good(), port)
		outer := to(t.balancer().Carry(second.Packet()), 6082)
		t.delivered(fmt.Sprintf("gwlb with vxlan to %d", port), second).within(outer).Endpoint = endpointID
	}
	packet := t.good().Packet()
	outer := t.balancer().Carry(packet)
	outer.UDP.Destination = 6082
	c := t.delivered("gwlb with vxlan to 4789", outer).bare(frames.EtherTypeIPv4, packet).unknown()
	c.Tunnel, c.Endpoint = abi.TunnelGENEVE, endpointID
	return t.cases
}

func withoutVXLAN() []Case {
	var t table
	t.left("vxlan", abi.OutcomeHost, t.good())
	t.delivered("geneve", t.goodGENEVE())
	t.stays("to 4789", t.good())
	return t.cases
}
