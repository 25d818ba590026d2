package cases

import (
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// keptIf says whether sampling keeps the packet.
func (c *Case) keptIf(kept bool) *Case {
	if !kept {
		c.Outcome = abi.OutcomeSampledOut
	}
	return c
}

// byPacket keeps the first of every n packets of each session. A judge with several
// CPUs counts on each of them.
func byPacket(t *table) Group {
	var policy mirror.Policy
	session := func(oneIn uint32) frames.Mirrored {
		m := t.good()
		policy.Sessions = append(policy.Sessions, mirror.SessionPolicy{
			VNI: t.used + 0x010000, Sample: mirror.Sampling{By: abi.SamplingByPacket, OneIn: oneIn}, Outputs: mirror.FirstOutput})
		return m
	}
	every, third, alike, seldom := session(1), session(3), session(3), session(1<<32-1)
	for i := range 10 {
		t.delivered(fmt.Sprintf("1 in 3, packet %d", i), third).keptIf(i%3 == 0)
		t.delivered(fmt.Sprintf("1 in 1, packet %d", i), every)
		t.delivered(fmt.Sprintf("1 in 2^32-1, packet %d", i), seldom).keptIf(i == 0)
		t.left(fmt.Sprintf("1 in 3, malformed %d", i), abi.OutcomeMalformedUDP, third, frames.AddUDPLength(1))
		if i > 4 {
			t.delivered(fmt.Sprintf("1 in 3, another session, packet %d", i), alike).keptIf((i-5)%3 == 0)
		}
	}
	cut := third
	cut.Inner = egress[:60]
	t.delivered("1 in 3, cut", cut).cutFrom(len(egress)).keptIf(false)
	t.delivered("1 in 3, cut again", cut).cutFrom(len(egress)).keptIf(false)
	t.delivered("1 in 3, kept again", cut).cutFrom(len(egress)).keptIf(true)
	return t.group("sampling by packet", policy)
}

// byPacketOfSources is sessions that have one policy, and counts of their own.
func byPacketOfSources(t *table) Group {
	vni := t.vni()
	for i := range 4 {
		for _, source := range []string{"10.0.12.4", "10.0.12.5", "2001:db8::5"} {
			m := t.from(source)
			m.Tunnel = frames.VXLAN(vni)
			t.delivered(fmt.Sprintf("packet %d of %s", i, source), m).unknown().keptIf(i%2 == 0)
		}
	}
	return t.group("sampling by packet of sources", byDefault(mirror.SessionPolicy{
		Sample: mirror.Sampling{By: abi.SamplingByPacket, OneIn: 2}}))
}

// byPacketBehindFilter counts only what the filter takes. What it takes and sampling
// leaves out has its rule still.
func byPacketBehindFilter(t *table) Group {
	tcp, udp := t.good(), t.good()
	udp.Tunnel, udp.Inner = tcp.Tunnel, frames.UDPFrame(eni, other, nil)
	for i := range 6 {
		t.delivered(fmt.Sprintf("tcp %d", i), tcp).by(2).keptIf(i%2 == 0)
		t.delivered(fmt.Sprintf("udp %d", i), udp).by(0)
	}
	filter := mirror.Filter{Name: "tcp", Ingress: accepting(mirror.Rule{}), Egress: accepting(
		mirror.Rule{Protocol: mirror.Protocol{Number: frames.ProtocolTCP, Given: true}})}
	return t.group("sampling by packet behind a filter", byDefault(mirror.SessionPolicy{
		Filter: &filter, Sample: mirror.Sampling{By: abi.SamplingByPacket, OneIn: 2}, Snap: mirror.Snap{Bytes: len(egress)}}))
}

// flowGroup returns the cases so far, sampled by flow.
func (t *table) flowGroup(name string, oneIn uint32) Group {
	policy := byDefault(mirror.SessionPolicy{Sample: mirror.Sampling{By: abi.SamplingByFlow, OneIn: oneIn}})
	policy.Seed = FlowSeed
	return t.group(name, policy)
}

// aside returns what AWS sends of an inner frame from an address that is in no
// frame, so that its direction is unknown.
func (t *table) aside(inner []byte) frames.Mirrored {
	return frames.FromAWS(inner, t.vni(), third.Address, target)
}

// flowsOneIn adds all flows, of which one in n is kept.
func (t *table) flowsOneIn(n uint64) {
	isKept := func(hash uint64) bool { return hash*n < 1<<32 }
	for _, flow := range Flows() {
		for i, frame := range flow.Frames {
			t.delivered(fmt.Sprintf("%s, frame %d", flow.Name, i), t.aside(frame)).unknown().keptIf(isKept(uint64(flow.Hash)))
		}
	}
	t.delivered("tcp cut before its ports", t.aside(egress[:14+20+3])).unknown().cutFrom(len(egress)).keptIf(isKept(0x5cc30af8))
	payload := frames.Payload(30)
	for _, etherType := range []uint16{0x88cc, frames.EtherTypeARP} {
		c := t.delivered(fmt.Sprintf("bare %#04x", etherType), t.bareGENEVE(etherType, payload)).bare(etherType, payload)
		c.unknown().keptIf(isKept(FlowOfNothing))
	}
	bare := egress[14:]
	t.delivered("bare tcp", t.bareGENEVE(frames.EtherTypeIPv4, bare)).bare(frames.EtherTypeIPv4, bare).keptIf(isKept(0x9de0d85f))
}

// byFlow keeps a flow or leaves it out, in both directions and in every session.
func byFlow(t *table) Group {
	t.flowsOneIn(4)
	return t.flowGroup("sampling by flow, 1 in 4", 4)
}

func byFlowOneInTwo(t *table) Group {
	t.flowsOneIn(2)
	return t.flowGroup("sampling by flow, 1 in 2", 2)
}

func byFlowAll(t *table) Group {
	t.flowsOneIn(1)
	return t.flowGroup("sampling by flow, all", 1)
}
