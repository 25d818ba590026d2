package mirror

import (
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Decapsulator judges frames by the rules of docs/judgement.md and counts them.
// It remembers sessions and fragments, so frames are judged in the order in which
// they came. It must not be used by two goroutines at a time.
type Decapsulator struct {
	ports      ports
	snapLength int
	policy     *Policy
	wanted     sessionIndex // of policy
	sessions   map[Session]*session
	overflow   session // of all sessions that came when the table was full
	strangers  strangers
	fragments  fragmentFlows
	ledger     *Ledger
	made       []byte // the last bare payload with its made-up Ethernet header
}

// Judgement is what was found of one frame. All but Outcome and Consumed is zero
// unless its session is one that the policy wants: the frame was delivered,
// filtered or sampled out.
type Judgement struct {
	Outcome   abi.Outcome
	Consumed  bool   // taken from the host, by the policy of the time
	Offset    int    // where in the outer frame the inner bytes begin
	Arrived   int    // bytes of the inner frame in the outer one
	Captured  int    // bytes of it that are kept, len(Packet.Data); 0 unless delivered
	EtherType uint16 // of a bare payload, whose made-up Ethernet header counts in both; else 0
	// Packet is all but its time, which Judge does not know. Its Data is a part of
	// the frame or, of a bare payload, lasts until the next call of Judge. Data and
	// Outputs are zero unless the packet was delivered.
	Packet Packet
	Veths  OutputSet // those that the frame itself goes to; zero unless the packet was delivered
}

// NewDecapsulator returns a decapsulator that has seen nothing. It fails as
// Options.Complete and Policy.Check do.
func NewDecapsulator(o Options, p *Policy) (*Decapsulator, error) {
	o, err := o.Complete()
	if err != nil {
		return nil, err
	}
	d := &Decapsulator{
		ports:      ports{vxlan: slices.Clone(o.VXLANPorts), geneve: slices.Clone(o.GENEVEPorts)},
		snapLength: o.SnapLength,
		sessions:   make(map[Session]*session),
		strangers:  newStrangers(),
		ledger:     NewLedger("", ""),
		made:       make([]byte, 0, o.SnapLength),
	}
	if err := d.SetPolicy(p); err != nil {
		return nil, err
	}
	return d, nil
}

// SetPolicy has the frames from here on judged by p, which must not be changed any
// more. What is remembered stays: the sessions with their accounts, what was
// learned of them and their places in sampling by packet, and the flows of
// fragments. It fails as Policy.Check does, and then changes nothing.
func (d *Decapsulator) SetPolicy(p *Policy) error {
	if err := p.Check(); err != nil {
		return err
	}
	d.policy, d.wanted = p, newSessionIndex(p)
	for key, session := range d.sessions {
		session.wanted = d.wanted.find(key)
	}
	return nil
}

// Judge judges one frame, from its Ethernet header on, and counts it. wireLength
// is len(frame) but for a frame that a capture file's snap length has cut: there
// it is the length in bytes that the frame had on the wire. It allocates only for
// the first packet of a session, and to remember fragments.
func (d *Decapsulator) Judge(frame []byte, wireLength int) Judgement {
	payload, outcome := d.ports.unwrap(newStretch(frame, wireLength))
	judgement := Judgement{Outcome: outcome}
	if outcome == undecided {
		judgement = d.admit(payload)
	}
	judgement.Consumed = d.policy.consumes(judgement.Outcome)
	d.ledger.Received++
	d.ledger.Outcomes[judgement.Outcome]++
	return judgement
}

// admit judges a mirrored packet by its session ("The session").
func (d *Decapsulator) admit(p payload) Judgement {
	key := Session{VNI: p.vni, Source: p.source}
	if !d.policy.Allows(key.Source) {
		stranger := d.strangers.see(key)
		stranger.Denied++
		stranger.Bytes += uint64(p.arrived())
		return Judgement{Outcome: abi.OutcomeDeniedSource}
	}
	session, wanted := d.session(key)
	if wanted == nil {
		stranger := d.strangers.see(key)
		stranger.Unknown++
		stranger.Bytes += uint64(p.arrived())
		return Judgement{Outcome: abi.OutcomeUnknownSession}
	}
	return d.take(p, key, session, wanted)
}

// take says all there is to say of an inner frame, and counts it to its session.
func (d *Decapsulator) take(p payload, key Session, session *session, wanted *SessionPolicy) Judgement {
	inner := readInner(p)
	judgement := Judgement{
		Offset:    p.content.offset,
		Arrived:   inner.arrived,
		EtherType: p.etherType,
		Packet: Packet{
			Session:   key,
			Endpoint:  p.endpoint,
			Direction: session.direction(p, inner, wanted.MAC),
			Tunnel:    p.tunnel,
			Truncated: inner.truncated,
			Length:    inner.length,
		},
	}
	var headers Headers
	if d.policy.ReadsHeaders(wanted) {
		headers = p.headers()
	}
	match := wanted.Filter.Match(judgement.Packet.Direction, &headers)
	judgement.Packet.Rule = wanted.Filter.RuleID(match)
	if !match.Accept {
		judgement.Outcome = abi.OutcomeFiltered
	} else if flow := d.flow(wanted, p, &headers); !session.sampler.Keeps(wanted.Sample, flow) {
		judgement.Outcome = abi.OutcomeSampledOut
	} else {
		judgement.Outcome = abi.OutcomeDelivered
		judgement.Veths = d.policy.takersOf(wanted, flow)
		judgement.Packet.Outputs = wanted.Outputs &^ d.policy.Veths
		judgement.Packet.Data = d.frame(p, wanted.Snap.Length(&headers))
		judgement.Captured = len(judgement.Packet.Data)
	}
	session.count(inner, judgement.Outcome)
	return judgement
}

// flow returns the hash of a packet's flow, where its session's policy reads it.
func (d *Decapsulator) flow(wanted *SessionPolicy, p payload, h *Headers) uint32 {
	if !d.policy.ReadsFlow(wanted) {
		return 0
	}
	return d.fragments.flowOf(p.vni, h, h.FlowHash(d.policy.Seed, p.ethernet()))
}

// frame returns the inner frame, cut to the judge's snap length and the session's.
func (d *Decapsulator) frame(p payload, snapLength int) []byte {
	snapLength = min(snapLength, d.snapLength)
	if p.etherType == 0 {
		return p.content.data[:min(len(p.content.data), snapLength)]
	}
	kept := min(len(p.content.data), snapLength-EthernetLength)
	d.made = append(AppendMadeUpEthernet(d.made[:0], p.etherType), p.content.data[:kept]...)
	return d.made
}
