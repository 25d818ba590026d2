package mirror

import (
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Policy says which mirror sessions are taken and what becomes of their
// packets. It is not changed once a judge has it: a reload makes another. The
// zero value knows no session.
type Policy struct {
	AllowSources []netip.Prefix // outer sources that may mirror; nil: any
	DropUnknown  bool           // drop packets of unknown sessions, rather than pass them to the host
	Sessions     []SessionPolicy
	// Seed of the flow hash, so that machines that share it sample the same flows.
	Seed uint64
	// Veths are the outputs that the kernel feeds whole frames, and Spread those of
	// them whose flows it spreads over several CPUs.
	Veths, Spread OutputSet
}

// SessionPolicy is what is wanted of a session. The most specific one applies:
// that of (VNI, source), else of (VNI, any source), else of any VNI.
type SessionPolicy struct {
	VNI     uint32     // 24 bits
	AnyVNI  bool       // the default session: VNI and Source are zero
	Source  netip.Addr // outer source; the zero Addr: any
	Name    string
	MAC     [6]byte // of the mirrored interface, for the direction; zero: learned from packets
	Filter  *Filter // nil: everything is taken. Sessions may share one
	Sample  Sampling
	Snap    Snap
	Outputs OutputSet
	Sharing abi.Sharing // of those of the outputs that are veths, if there are several
	VLAN    uint16      // id that tells the session to consumers of tagged veths; 0: none
}

// The largest VNI, of 24 bits (RFC 7348), and the largest VLAN id that is not reserved
// (IEEE 802.1Q).
const (
	MaxVNI  = 1<<24 - 1
	MaxVLAN = 4094
)

// OutputSet is a set of outputs, a bit for each by its slot, below abi.LimitOutputs.
type OutputSet uint32

// Slots returns the slots of the outputs in the set, in ascending order.
func (s OutputSet) Slots() []int {
	var slots []int
	for slot := range abi.LimitOutputs {
		if s.Has(slot) {
			slots = append(slots, slot)
		}
	}
	return slots
}

// FirstOutput is the set of the output in slot 0: of a judge that has but one.
const FirstOutput OutputSet = 1

// Has reports whether the output in a slot is in the set.
func (s OutputSet) Has(slot int) bool { return s>>slot&1 == 1 }

// TakeAll returns the policy that takes every packet of every session, to the
// first output.
func TakeAll() *Policy {
	return &Policy{Sessions: []SessionPolicy{{AnyVNI: true, Outputs: FirstOutput}}}
}

// TakeVNIs returns the policy that takes every packet of the sessions with one of
// the given VNIs, to the first output, and none of others. Without a VNI it is
// TakeAll.
func TakeVNIs(vnis []uint32) *Policy {
	if len(vnis) == 0 {
		return TakeAll()
	}
	var p Policy
	named := make(map[uint32]bool, len(vnis))
	for _, vni := range vnis {
		if !named[vni] {
			named[vni] = true
			p.Sessions = append(p.Sessions, SessionPolicy{VNI: vni, Outputs: FirstOutput})
		}
	}
	return &p
}

// Allows reports whether an outer source may mirror at all. An IPv4-mapped IPv6
// address is the IPv4 address.
func (p *Policy) Allows(source netip.Addr) bool {
	if p.AllowSources == nil {
		return true
	}
	source = source.Unmap()
	for _, network := range p.AllowSources {
		if network.Contains(source) {
			return true
		}
	}
	return false
}

// Session returns what is wanted of a session, nil of an unknown one. Whether its
// source is allowed is for Allows to say.
func (p *Policy) Session(s Session) *SessionPolicy {
	var best *SessionPolicy
	for i := range p.Sessions {
		candidate := &p.Sessions[i]
		if candidate.applies(s) && (best == nil || candidate.specificity() > best.specificity()) {
			best = candidate
		}
	}
	return best
}

func (s *SessionPolicy) applies(to Session) bool {
	if s.AnyVNI {
		return true
	}
	return s.VNI == to.VNI && (!s.Source.IsValid() || s.Source.Unmap() == to.Source.Unmap())
}

// specificity orders the policies that apply to one session.
func (s *SessionPolicy) specificity() int {
	switch {
	case s.AnyVNI:
		return 0
	case !s.Source.IsValid():
		return 1
	}
	return 2
}

// String returns "vni 12345 from 10.0.12.59", "vni 12345" of any source or "vni any"
// of the default session, with the name behind it where there is one.
func (s *SessionPolicy) String() string {
	text := fmt.Sprintf("vni %d", s.VNI)
	switch {
	case s.AnyVNI:
		text = "vni any"
	case s.Source.IsValid():
		text = Session{s.VNI, s.Source}.String()
	}
	if s.Name != "" {
		text += fmt.Sprintf(" (%s)", s.Name)
	}
	return text
}

// VethsOf returns the outputs of a session that are veths.
func (p *Policy) VethsOf(s *SessionPolicy) OutputSet { return s.Outputs & p.Veths }

// CopySet returns the veths of a session if there are several and each gets all,
// and else none.
func (p *Policy) CopySet(s *SessionPolicy) OutputSet {
	if veths := p.VethsOf(s); s.Sharing == abi.SharingCopy && bits.OnesCount32(uint32(veths)) > 1 {
		return veths
	}
	return 0
}

// ReadsFlow says whether the flow of a session's packet has a say in what becomes
// of it: whether it is sampled out, which of several veths gets it, or on which CPU.
func (p *Policy) ReadsFlow(s *SessionPolicy) bool {
	veths := p.VethsOf(s)
	return s.Sample.By == abi.SamplingByFlow || veths&p.Spread != 0 ||
		bits.OnesCount32(uint32(veths)) > 1 && s.Sharing == abi.SharingBalance
}

// ReadsHeaders says whether the headers of a session's packet have.
func (p *Policy) ReadsHeaders(s *SessionPolicy) bool {
	return s.Filter != nil || s.Snap.Headers || p.ReadsFlow(s)
}

// consumes says whether a frame is taken from the host. All others are left to it
// with not a byte changed.
func (p *Policy) consumes(outcome abi.Outcome) bool {
	switch outcome {
	case abi.OutcomeDelivered, abi.OutcomeFiltered, abi.OutcomeSampledOut, abi.OutcomeDeniedSource:
		return true
	case abi.OutcomeUnknownSession:
		return p.DropUnknown
	}
	return false
}
