// Package cases is the table of frames that every judge must agree on: the rule
// of docs/judgement.md, taken apart line by line. A bad frame is a good one with
// one thing wrong.
package cases

import (
	"net/netip"
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// Case is a frame and what a judge says of it. What follows Consumed is zero unless
// the wrapping was stripped off. Lengths are in bytes.
type Case struct {
	Name       string
	Frame      []byte
	WireLength int // len(Frame), or more if a capture file's snap length has cut it
	Outcome    abi.Outcome
	Consumed   bool // taken from the host

	VNI       uint32
	Source    netip.Addr
	Endpoint  uint64
	Tunnel    abi.Tunnel
	Direction abi.Direction
	Inner     []byte // what is kept: with the made-up header, without what snap lengths cut
	Offset    int    // where in Frame the inner bytes begin
	Arrived   int
	Length    int
	Truncated bool
	EtherType uint16 // of a bare payload
	Rule      uint16 // that took it
	Outputs   mirror.OutputSet
}

// Session returns the session of a case whose wrapping was stripped off.
func (c Case) Session() mirror.Session { return mirror.Session{VNI: c.VNI, Source: c.Source} }

// Judgement returns all that a judge says of the frame. Of a session that is not
// wanted it says no more than that; of a packet that was left out, what it was.
func (c Case) Judgement() mirror.Judgement {
	judgement := mirror.Judgement{Outcome: c.Outcome, Consumed: c.Consumed}
	if !c.isWanted() {
		return judgement
	}
	judgement.Offset, judgement.Arrived, judgement.EtherType = c.Offset, c.Arrived, c.EtherType
	judgement.Packet = mirror.Packet{
		Session:   c.Session(),
		Endpoint:  c.Endpoint,
		Direction: c.Direction,
		Tunnel:    c.Tunnel,
		Truncated: c.Truncated,
		Rule:      c.Rule,
		Length:    c.Length,
	}
	if c.Outcome == abi.OutcomeDelivered {
		judgement.Captured = len(c.Inner)
		judgement.Packet.Outputs, judgement.Packet.Data = c.Outputs, c.Inner
	}
	return judgement
}

// isWanted says whether the frame is of a session that the policy wants.
func (c Case) isWanted() bool {
	switch c.Outcome {
	case abi.OutcomeDelivered, abi.OutcomeFiltered, abi.OutcomeSampledOut:
		return true
	}
	return false
}

// All returns the cases for a judge with its default options and a policy that
// takes all. No two of them share a session, so that they can be judged in any order and more than once.
func All() []Case {
	var t table
	for _, add := range []func(*table){
		addEthernet, addIPv4, addIPv4Fragments, addIPv6, addIPv6Fragments, addPorts, addLengths, addSlack,
		addVXLAN, addGENEVE, addOptions, addBare, addEndpoint, addStack, addBrokenStack,
		addInner, addInnerTags, addInnerLengths, addInnerCuts, addDirection,
	} {
		add(&t)
	}
	return t.cases
}

// table is a list of cases under way.
type table struct {
	cases []Case
	used  uint32 // sessions handed out
}

// vni returns one that no other case has.
func (t *table) vni() uint32 {
	t.used++
	return 0x010000 + t.used
}

// carry returns what AWS sends of an inner frame, in a session of its own.
func (t *table) carry(inner []byte) frames.Mirrored {
	return frames.FromAWS(inner, t.vni(), eni.Address, target)
}

// good returns a mirrored packet that the interface had sent.
func (t *table) good() frames.Mirrored { return t.carry(egress) }

// good6 returns the same with IPv6 outside and inside.
func (t *table) good6() frames.Mirrored {
	return frames.FromAWS(egress6, t.vni(), eni6.Address, target6)
}

// goodGENEVE returns the same frame as good in GENEVE, behind options.
func (t *table) goodGENEVE(options ...[]byte) frames.Mirrored {
	m := t.good()
	m.UDP.Destination = frames.PortGENEVE
	m.Tunnel = frames.GENEVE{VNI: t.vni(), Protocol: frames.EtherTypeEthernet, Options: options}.Header()
	return m
}

// left adds a case in which the frame is left to the host.
func (t *table) left(name string, outcome abi.Outcome, m frames.Mirrored, mutations ...frames.Mutation) {
	frame := m.With(mutations...)
	t.cases = append(t.cases, Case{Name: name, Frame: frame, WireLength: len(frame), Outcome: outcome})
}

// delivered adds a case in which the inner frame of m comes out whole, as one
// that the mirrored interface had sent. What is otherwise is for the caller to
// change, at once.
func (t *table) delivered(name string, m frames.Mirrored, mutations ...frames.Mutation) *Case {
	frame := m.With(mutations...)
	header := m.Tunnel
	c := Case{
		Name:       name,
		Frame:      frame,
		WireLength: len(frame),
		Outcome:    abi.OutcomeDelivered,
		Consumed:   true,
		VNI:        uint32(header[4])<<16 | uint32(header[5])<<8 | uint32(header[6]),
		Source:     m.IP.Source,
		Direction:  abi.DirectionEgress,
		Inner:      m.Inner,
		Offset:     m.Offsets().Inner,
		Arrived:    len(m.Inner),
		Length:     len(m.Inner),
		Outputs:    mirror.FirstOutput,
	}
	if m.UDP.Destination == frames.PortGENEVE {
		c.Tunnel = abi.TunnelGENEVE
	}
	t.cases = append(t.cases, c)
	return &t.cases[len(t.cases)-1]
}

// bare says that the payload comes out behind a made-up Ethernet header.
func (c *Case) bare(etherType uint16, payload []byte) *Case {
	c.EtherType = etherType
	c.Inner = frames.Ethernet(frames.MAC{2, 0, 0, 0, 0, 2}, frames.MAC{2, 0, 0, 0, 0, 1}, etherType, payload)
	c.Arrived, c.Length = len(c.Inner), len(c.Inner)
	return c
}

// cutFrom says that the mirror session has cut a frame of length bytes.
func (c *Case) cutFrom(length int) *Case {
	c.Length, c.Truncated = length, true
	return c
}

// unknown says that nothing tells the packet's direction.
func (c *Case) unknown() *Case {
	c.Direction = abi.DirectionUnknown
	return c
}

// padded returns a copy of frame with n zeros behind it.
func padded(frame []byte, n int) []byte { return slices.Concat(frame, make([]byte, n)) }

// set returns a copy of data with value at an offset.
func set(data []byte, offset int, value ...byte) []byte {
	changed := slices.Clone(data)
	copy(changed[offset:], value)
	return changed
}
