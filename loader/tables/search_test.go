package tables

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// reader reads an image as bpf/filter.h does.
type reader struct {
	w *writer
}

func (r reader) find(region, root uint32, v value) bpf.XdpeelClass {
	e := root
	for abi.Entry(e>>30) != abi.EntryClass {
		at := place(region<<16 | e&(abi.RegionLines-1))
		if abi.Entry(e>>30) == abi.EntryTable {
			e = lineOf[bpf.XdpeelTable](r.w, at).Entries[v.high>>60]
			v = shift(v, digitBits)
			continue
		}
		skip := lineOf[bpf.XdpeelSkip](r.w, at)
		if (v.high^skip.Value)&skip.Mask != 0 {
			e = skip.Miss
			continue
		}
		e = skip.Match
		v = shift(v, int(skip.Bits))
	}
	return *lineOf[bpf.XdpeelClass](r.w, place(region<<16|e&(abi.RegionLines-1)))
}

func shift(v value, n int) value {
	return value{v.high<<n | v.low>>(64-n), v.low << n}
}

// match returns the first rule that all fields match, -1 if there is none.
func (r reader) match(at place, h *mirror.Headers) int {
	if at == 0 {
		return -1
	}
	f := lineOf[bpf.XdpeelFilter](r.w, at)
	classes := []bpf.XdpeelClass{
		r.find(f.Kind.Region, f.Kind.Root, value{uint64(h.Family)<<60 | uint64(h.Protocol)<<52, 0}),
		r.address(&f.Source, h.Source),
		r.address(&f.Destination, h.Destination),
		r.port(&f.SourcePort, h.HasPorts, h.SourcePort),
		r.port(&f.DestinationPort, h.HasPorts, h.DestinationPort),
	}
	regions := []uint32{f.Kind.Region, f.Source.Region, f.Destination.Region, f.SourcePort.Region, f.DestinationPort.Region}
	for word := range abi.LimitRules / wordRules {
		rules := ^uint64(0)
		for i, class := range classes {
			if class.Groups[word/64]>>(word%64)&1 == 0 {
				rules = 0
				break
			}
			rules &= lineOf[line](r.w, place(regions[i]<<16|uint32(class.Chunks[word/8])))[word%8]
		}
		if rules != 0 {
			return word*wordRules + bits.TrailingZeros64(rules)
		}
	}
	return -1
}

func (r reader) class(f *bpf.XdpeelField, line uint32) bpf.XdpeelClass {
	return *lineOf[bpf.XdpeelClass](r.w, place(f.Region<<16|line&(abi.RegionLines-1)))
}

func (r reader) address(f *bpf.XdpeelField, a netip.Addr) bpf.XdpeelClass {
	switch {
	case !a.IsValid():
		return r.class(f, f.None)
	case a.Is4():
		return r.find(f.Region, f.Root, addressValue(a))
	default:
		return r.find(f.Region, f.RootIpv6, addressValue(a))
	}
}

func (r reader) port(f *bpf.XdpeelField, has bool, port uint16) bpf.XdpeelClass {
	if !has {
		return r.class(f, f.None)
	}
	return r.find(f.Region, f.Root, value{uint64(port) << 48, 0})
}

// policy returns the place of a session's policy, as bpf/session.h finds it, but
// by looking at every entry.
func (r reader) policy(s mirror.Session) uint32 {
	head := lineOf[bpf.XdpeelPolicyHead](r.w, abi.RegionHeadLine)
	source := s.Source.As16()
	exact := [2]uint64{binary.BigEndian.Uint64(source[:8]), binary.BigEndian.Uint64(source[8:])}
	for _, wanted := range [][2]uint64{exact, {}} {
		for i := range head.Sessions {
			e := lineOf[[2]bpf.XdpeelSessionEntry](r.w, place(head.FirstSession+i/2))[i%2]
			if e.Vni == s.VNI && e.Source == wanted {
				return e.Policy
			}
		}
	}
	return head.DefaultPolicy
}
