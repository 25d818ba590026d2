package tables

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// reader reads an image as bpf/filter.h does.
type reader struct {
	w *writer
}

func (r reader) find(region, root uint32, v value) bpf.XdpeelClass {
	if region == abi.RegionNone {
		return bpf.XdpeelClass{}
	}
	e := root
	for entry(e).kind() != abi.EntryClass {
		at := place(region<<16 | e&(abi.RegionLines-1))
		if kind := entry(e).kind(); kind >= abi.EntryTable16 {
			bits := digitBits * (1 + int(kind-abi.EntryTable16))
			index := int(v.high >> (64 - bits))
			e = uint32(lineOf[tableLine](r.w, at+place(index/16))[index%16])
			v = shift(v, bits)
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
	class := lineOf[bpf.XdpeelClass](r.w, place(region<<16|e&(abi.RegionLines-1)))
	if (v.high^class.Value)&class.Mask != 0 {
		class = lineOf[bpf.XdpeelClass](r.w, place(region<<16|class.Miss))
	}
	return *class
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
			if regions[i] != abi.RegionNone {
				rules &= r.word(regions[i], &class, word)
			}
		}
		if rules != 0 {
			return word*wordRules + bits.TrailingZeros64(rules)
		}
	}
	return -1
}

// word returns one word of a class.
func (r reader) word(region uint32, class *bpf.XdpeelClass, word int) uint64 {
	if class.Chunks == 0 {
		if i := slices.Index(class.Index[:], uint8(word)); i >= 0 {
			return class.Words[i]
		}
		return 0
	}
	if class.Words[word/wordRules]>>(word%wordRules)&1 == 0 {
		return 0
	}
	chunks := lineOf[bpf.XdpeelChunks](r.w, place(region<<16|uint32(class.Chunks)))
	return lineOf[line](r.w, place(region<<16|uint32(chunks.Lines[word/8])))[word%8]
}

func (r reader) class(f *bpf.XdpeelField, line uint32) bpf.XdpeelClass {
	if f.Region == abi.RegionNone {
		return bpf.XdpeelClass{}
	}
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

func (e entry) kind() abi.Entry { return abi.Entry(e >> 29) }
