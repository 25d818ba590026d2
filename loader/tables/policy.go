package tables

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Compile returns a policy, which has been checked, in the kernel's form. generation is
// not 0, and not that of any other policy that the program has had. It fails if
// the tables would not fit.
func Compile(p *mirror.Policy, generation uint32) (*Image, error) {
	w := newWriter()
	if err := w.policy(p, generation); err != nil {
		return nil, fmt.Errorf("compile policy: %w", err)
	}
	return &w.image, nil
}

// policy writes the head, the list of sessions, what is wanted of them, and the
// allowed sources into region 0, where the program looks for them, and then the rest.
func (w *writer) policy(p *mirror.Policy, generation uint32) error {
	headAt, err := w.alloc(1)
	if err != nil {
		return err
	}
	head := bpf.XdpeelPolicyHead{
		Seed: p.Seed, Generation: generation,
		DropUnknown: flag(p.DropUnknown), OnlyAllowed: flag(p.AllowSources != nil),
	}
	keyed := slices.DeleteFunc(slices.Clone(p.Sessions), func(s mirror.SessionPolicy) bool { return s.AnyVNI })
	entries, err := w.alloc((len(keyed) + 1) / 2)
	if err != nil {
		return err
	}
	wanted, err := w.alloc(len(p.Sessions))
	if err != nil {
		return err
	}
	if err := w.allowed(p.AllowSources, &head); err != nil {
		return fmt.Errorf("write allowed sources: %w", err)
	}
	head.FirstSession, head.Sessions = uint32(entries), uint32(len(keyed))
	if head.DefaultPolicy, err = w.sessions(p, entries, wanted); err != nil {
		return err
	}
	*lineOf[bpf.XdpeelPolicyHead](w, headAt) = head
	return nil
}

// GenerationOf returns the generation of the policy whose first region this is.
func GenerationOf(region []byte) uint32 {
	head := region[abi.RegionHeadLine*lineBytes:]
	return binary.NativeEndian.Uint32(head[unsafe.Offsetof(bpf.XdpeelPolicyHead{}.Generation):])
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// allowed writes a search that ends at a class with a rule in it for all that is
// allowed: each network is a rule.
func (w *writer) allowed(sources []netip.Prefix, head *bpf.XdpeelPolicyHead) error {
	rules := make([]mirror.Rule, 0, len(sources))
	for _, prefix := range sources {
		rules = append(rules, mirror.Rule{Source: prefix})
	}
	var field bpf.XdpeelField
	err := newFieldWriter(w, len(rules)).addresses(rules, sourceOf, &field)
	head.AllowedIpv4, head.AllowedIpv6 = field.Root, field.RootIpv6
	return err
}

// sessions writes the sessions' policies, each in a line from wanted on, and the list
// by which they are found, from list on. It returns the place of the default
// session's policy, 0 without one.
func (w *writer) sessions(p *mirror.Policy, list, wanted place) (defaultPolicy uint32, err error) {
	var entries []bpf.XdpeelSessionEntry
	filters := make(map[*mirror.Filter]filterPlaces)
	for i := range p.Sessions {
		session := &p.Sessions[i]
		at := wanted + place(i)
		if err := w.session(p, session, filters, at); err != nil {
			return 0, err
		}
		if session.AnyVNI {
			defaultPolicy = uint32(at)
			continue
		}
		entries = append(entries, sessionEntry(session, at))
	}
	slices.SortFunc(entries, func(a, b bpf.XdpeelSessionEntry) int {
		return cmp.Or(cmp.Compare(a.Vni, b.Vni), slices.Compare(a.Source[:], b.Source[:]))
	})
	for i, e := range entries {
		lineOf[[2]bpf.XdpeelSessionEntry](w, list+place(i/2))[i%2] = e
	}
	return defaultPolicy, nil
}

func sessionEntry(s *mirror.SessionPolicy, at place) bpf.XdpeelSessionEntry {
	e := bpf.XdpeelSessionEntry{Vni: s.VNI, Policy: uint32(at)}
	if s.Source.IsValid() {
		source := s.Source.As16()
		e.Source = [2]uint64{binary.BigEndian.Uint64(source[:8]), binary.BigEndian.Uint64(source[8:])}
	}
	return e
}

// filterPlaces is where a filter's two directions are.
type filterPlaces struct {
	ingress, egress place
}

// session writes what is wanted of a session to a line, and its filter if it is not there yet.
func (w *writer) session(p *mirror.Policy, s *mirror.SessionPolicy, filters map[*mirror.Filter]filterPlaces, at place) error {
	policy := bpf.XdpeelSessionPolicy{
		Mac:          macNumber(s.MAC),
		Outputs:      uint32(s.Outputs),
		SnapLength:   abi.LimitSnapLength,
		SnapHeaders:  flag(s.Snap.Headers),
		Sampling:     uint8(s.Sample.By),
		OneIn:        max(s.Sample.OneIn, 1),
		HasFilter:    flag(s.Filter != nil),
		ReadsHeaders: flag(p.ReadsHeaders(s)),
		ReadsFlow:    flag(p.ReadsFlow(s)),
		Veths:        uint32(p.VethsOf(s)),
		Sharing:      uint8(s.Sharing),
		Vlan:         s.VLAN,
	}
	for _, slot := range p.VethsOf(s).Slots() {
		policy.Slots[policy.Shares] = uint8(slot)
		policy.Shares++
	}
	if s.Snap.Bytes > 0 {
		policy.SnapLength = uint32(s.Snap.Bytes)
	}
	if s.Filter != nil {
		places, err := w.sharedFilter(s.Filter, filters)
		if err != nil {
			return fmt.Errorf("write filter %q: %w", s.Filter.Name, err)
		}
		policy.Ingress, policy.Egress = uint32(places.ingress), uint32(places.egress)
		policy.IngressRules = uint32(len(s.Filter.Ingress))
	}
	*lineOf[bpf.XdpeelSessionPolicy](w, at) = policy
	return nil
}

// sharedFilter writes a filter when it is met for the first time.
func (w *writer) sharedFilter(f *mirror.Filter, filters map[*mirror.Filter]filterPlaces) (p filterPlaces, err error) {
	if places, ok := filters[f]; ok {
		return places, nil
	}
	if p.ingress, err = w.filter(f.Ingress); err != nil {
		return p, err
	}
	if p.egress, err = w.filter(f.Egress); err != nil {
		return p, err
	}
	filters[f] = p
	return p, nil
}

// macNumber is a MAC as the program has it: its first octet the lowest.
func macNumber(mac [6]byte) uint64 {
	var octets [8]byte
	copy(octets[:], mac[:])
	return binary.LittleEndian.Uint64(octets[:])
}
