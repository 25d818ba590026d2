package judges

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// policyMaker makes policies about a cast.
type policyMaker struct {
	dice    *dice
	cast    *cast
	filters []*mirror.Filter // of the policy, which its sessions share
}

func (m *policyMaker) policy() *mirror.Policy {
	d := m.dice
	m.filters = nil
	for range d.between(1, 3) {
		m.filters = append(m.filters, m.filter())
	}
	p := &mirror.Policy{DropUnknown: d.percent(50), Seed: pick(d, 0, 1, d.Uint64()), AllowSources: m.allowed()}
	if d.percent(60) {
		p.Sessions = append(p.Sessions, m.session(mirror.SessionPolicy{AnyVNI: true}))
	}
	for _, vni := range m.cast.vnis {
		if d.percent(40) {
			p.Sessions = append(p.Sessions, m.session(mirror.SessionPolicy{VNI: vni}))
		}
		for i := range m.cast.sources {
			if d.percent(30) {
				p.Sessions = append(p.Sessions, m.session(mirror.SessionPolicy{VNI: vni, Source: m.cast.sources[i].addr()}))
			}
		}
	}
	return m.withOthers(p)
}

// withOthers adds sessions that nobody mirrors, among which the others have to be
// found, and leaves out what would be there twice.
func (m *policyMaker) withOthers(p *mirror.Policy) *mirror.Policy {
	d := m.dice
	for range pick(d, 0, 0, 1, 5, 40, 300) {
		vni := pick(d, m.cast.vni(d), m.cast.vni(d)+1&0xffffff, uint32(d.Uint64())&0xffffff)
		other := newIP(d, pick(d, 4, 6))
		p.Sessions = append(p.Sessions, mirror.SessionPolicy{VNI: vni, Source: other.addr()})
	}
	type key struct {
		any bool
		mirror.Session
	}
	seen, kept := make(map[key]bool), p.Sessions[:0]
	for _, s := range p.Sessions {
		k := key{s.AnyVNI, mirror.Session{VNI: s.VNI, Source: s.Source.Unmap()}}
		if !seen[k] {
			kept = append(kept, s)
		}
		seen[k] = true
	}
	p.Sessions = kept
	return p
}

// allowed returns mostly no list, else one that some of the sources are in.
func (m *policyMaker) allowed() []netip.Prefix {
	d := m.dice
	if d.percent(60) {
		return nil
	}
	networks := []netip.Prefix{}
	for range d.between(0, 4) {
		a := m.cast.sources[d.below(len(m.cast.sources))].addr()
		if network := m.network(a); !network.Masked().Addr().Is4In6() {
			networks = append(networks, network)
		}
	}
	return networks
}

// session fills in what is wanted of a session.
func (m *policyMaker) session(s mirror.SessionPolicy) mirror.SessionPolicy {
	d := m.dice
	if d.percent(30) {
		s.MAC = m.cast.macs[d.below(4)]
	}
	if d.percent(70) {
		s.Filter = m.filters[d.below(len(m.filters))]
	}
	if d.percent(40) {
		s.Sample = mirror.Sampling{By: pick(d, abi.SamplingByPacket, abi.SamplingByFlow), OneIn: pick[uint32](d, 1, 2, 2, 3, 10)}
	}
	if d.percent(40) {
		s.Snap.Bytes = pick(d, 14, 15, 34, 54, 60, 128, 1500, abi.LimitSnapLength)
	}
	s.Snap.Headers = d.percent(40)
	s.Outputs = pick[mirror.OutputSet](d, 0, 1, 2, 3, 1<<31, 0xffffffff)
	return s
}

// network returns a network with an address in it, or one that just misses it.
func (m *policyMaker) network(a netip.Addr) netip.Prefix {
	d := m.dice
	bits := pick(d, 0, 1, 8, 16, 24, 31, 32)
	if a.Is6() {
		bits = pick(d, 0, 3, 16, 32, 48, 63, 64, 65, 96, 100, 127, 128)
	}
	if d.percent(20) {
		a = pick(d, a.Next(), a.Prev(), a)
	}
	if !a.IsValid() { // behind the last address
		bits, a = 0, netip.IPv4Unspecified()
	}
	return netip.PrefixFrom(a, bits)
}

func (a *ip) addr() netip.Addr {
	addr, _ := netip.AddrFromSlice(a.slice())
	return addr
}
