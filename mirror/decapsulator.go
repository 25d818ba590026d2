package mirror

import (
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Decapsulator judges frames by the rules of docs/judgement.md and counts them.
// It remembers sessions, so frames are judged in the order in which they came.
// It must not be used by two goroutines at a time.
type Decapsulator struct {
	ports      ports
	snapLength int
	vnis       map[uint32]bool // nil: all
	sessions   map[Session]*session
	overflow   session // of all sessions that came when the table was full
	ledger     *Ledger
	made       []byte // the last bare payload with its made-up Ethernet header
}

// Judgement is what was found of one frame. All but Outcome is zero unless the
// frame was delivered.
type Judgement struct {
	Outcome   abi.Outcome
	Offset    int    // where in the outer frame the inner bytes begin
	Arrived   int    // bytes of the inner frame in the outer one
	Captured  int    // bytes of it that are kept, len(Packet.Data)
	EtherType uint16 // of a bare payload, whose made-up Ethernet header counts in both; else 0
	// Packet is all but its time, which Judge does not know. Its Data is a part of
	// the frame or, of a bare payload, lasts until the next call of Judge.
	Packet Packet
}

// NewDecapsulator returns a decapsulator that has seen nothing. It fails as
// Options.Complete does.
func NewDecapsulator(o Options) (*Decapsulator, error) {
	o, err := o.Complete()
	if err != nil {
		return nil, err
	}
	d := &Decapsulator{
		ports:      ports{vxlan: slices.Clone(o.VXLANPorts), geneve: slices.Clone(o.GENEVEPorts)},
		snapLength: o.SnapLength,
		sessions:   make(map[Session]*session),
		ledger:     NewLedger("", ""),
		made:       make([]byte, 0, o.SnapLength),
	}
	if len(o.VNIs) > 0 {
		d.vnis = make(map[uint32]bool, len(o.VNIs))
		for _, vni := range o.VNIs {
			d.vnis[vni] = true
		}
	}
	return d, nil
}

// Judge judges one frame, from its Ethernet header on, and counts it. wireLength
// is len(frame) but for a frame that a capture file's snap length has cut: there
// it is the length in bytes that the frame had on the wire. It allocates only for
// the first packet of a session.
func (d *Decapsulator) Judge(frame []byte, wireLength int) Judgement {
	payload, outcome := d.ports.unwrap(newStretch(frame, wireLength))
	if outcome == undecided && d.vnis != nil && !d.vnis[payload.vni] {
		outcome = abi.OutcomeUnknownSession
	}
	judgement := Judgement{Outcome: outcome}
	if outcome == undecided {
		judgement = d.deliver(payload)
	}
	d.ledger.Received++
	d.ledger.Outcomes[judgement.Outcome]++
	return judgement
}

// deliver says all there is to say of an inner frame, and counts it to its
// session.
func (d *Decapsulator) deliver(p payload) Judgement {
	key := Session{VNI: p.vni, Source: p.source}
	session := d.session(key)
	inner := readInner(p)
	data := d.frame(p)
	packet := Packet{
		Session:   key,
		Endpoint:  p.endpoint,
		Direction: session.direction(p, inner),
		Tunnel:    p.tunnel,
		Truncated: inner.truncated,
		Length:    inner.length,
		Data:      data,
	}
	session.count(inner)
	return Judgement{
		Outcome:   abi.OutcomeDelivered,
		Offset:    p.content.offset,
		Arrived:   inner.arrived,
		Captured:  len(data),
		EtherType: p.etherType,
		Packet:    packet,
	}
}

// frame returns the inner frame, cut to the snap length.
func (d *Decapsulator) frame(p payload) []byte {
	if p.etherType == 0 {
		return p.content.data[:min(len(p.content.data), d.snapLength)]
	}
	kept := min(len(p.content.data), d.snapLength-EthernetLength)
	d.made = append(AppendMadeUpEthernet(d.made[:0], p.etherType), p.content.data[:kept]...)
	return d.made
}
