package tables

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// fieldLines is about how many lines a field takes for each of many rules that differ in it.
const fieldLines = 4

// filter writes the rules of one direction, and returns where. Without rules it
// returns 0, which takes nothing.
func (w *writer) filter(rules []mirror.Rule) (place, error) {
	if len(rules) == 0 {
		return 0, nil
	}
	var filter bpf.XdpeelFilter
	for _, part := range []struct {
		name  string
		field *bpf.XdpeelField
		write func(*fieldWriter, *bpf.XdpeelField) error
	}{
		{"protocols", &filter.Kind, func(f *fieldWriter, out *bpf.XdpeelField) error { return f.kinds(rules, out) }},
		{"sources", &filter.Source, func(f *fieldWriter, out *bpf.XdpeelField) error { return f.addresses(rules, sourceOf, out) }},
		{"destinations", &filter.Destination, func(f *fieldWriter, out *bpf.XdpeelField) error { return f.addresses(rules, destinationOf, out) }},
		{"source ports", &filter.SourcePort, func(f *fieldWriter, out *bpf.XdpeelField) error { return f.ports(rules, sourcePortsOf, out) }},
		{"destination ports", &filter.DestinationPort, func(f *fieldWriter, out *bpf.XdpeelField) error { return f.ports(rules, destinationPortsOf, out) }},
	} {
		err := w.together(fieldLines*len(rules), func() error {
			_, number := w.last()
			part.field.Region = uint32(number)
			f := newFieldWriter(w, len(rules))
			if err := part.write(f, part.field); err != nil {
				return err
			}
			if f.isAny(len(rules)) {
				part.field.Region = abi.RegionNone
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("write %s: %w", part.name, err)
		}
	}
	return w.head(rules, filter)
}

// head writes the accepting rules and the struct that leads to all else.
func (w *writer) head(rules []mirror.Rule, filter bpf.XdpeelFilter) (place, error) {
	accepts, err := w.allocAnywhere((len(rules) + chunkRules - 1) / chunkRules)
	if err != nil {
		return 0, err
	}
	for i, rule := range rules {
		if rule.Accept {
			bits := lineOf[line](w, accepts+place(i/chunkRules))
			bits[i%chunkRules/wordRules] |= 1 << (i % wordRules)
		}
	}
	filter.Accepts = uint32(accepts)
	at, err := w.allocAnywhere(3)
	if err != nil {
		return 0, err
	}
	at += at % 2 // two lines, the first an even one
	*lineOf[bpf.XdpeelFilter](w, at) = filter
	return at, nil
}

func sourceOf(r *mirror.Rule) netip.Prefix           { return r.Source }
func destinationOf(r *mirror.Rule) netip.Prefix      { return r.Destination }
func sourcePortsOf(r *mirror.Rule) mirror.Ports      { return r.SourcePorts }
func destinationPortsOf(r *mirror.Rule) mirror.Ports { return r.DestinationPorts }

// kinds writes which rules match a frame's family and protocol.
func (f *fieldWriter) kinds(rules []mirror.Rule, out *bpf.XdpeelField) error {
	type kinds struct {
		families mirror.FamilySet
		protocol mirror.Protocol
	}
	groups := make(map[kinds][]int32) // few, of many rules
	for i, rule := range rules {
		if rule.Families == 0 || rule.Protocol.Given {
			rule.Families = cmp.Or(rule.Families, mirror.IPFamilies) & mirror.IPFamilies
		}
		key := kinds{rule.Families, rule.Protocol}
		groups[key] = append(groups[key], int32(i))
	}
	var spans []span
	for _, key := range slices.SortedFunc(maps.Keys(groups), func(a, b kinds) int { return cmp.Compare(groups[a][0], groups[b][0]) }) {
		first, last := uint8(0), uint8(0xff)
		if key.protocol.Given {
			first, last = key.protocol.Number, key.protocol.Number
		}
		for family := range abi.FamilyMax {
			if key.families.Has(family) {
				spans = append(spans, span{kindExtent(family, first, last), groups[key]})
			}
		}
	}
	return f.root(spans, nil, &out.Root)
}

// single returns a list of each rule alone, without memory of its own for each.
func single(n int) [][]int32 {
	rules, lists := make([]int32, n), make([][]int32, n)
	for i := range rules {
		rules[i], lists[i] = int32(i), rules[i:i+1]
	}
	return lists
}

// addresses writes which rules match an address. One of another length, or none,
// is matched by the rules that name none.
func (f *fieldWriter) addresses(rules []mirror.Rule, of func(*mirror.Rule) netip.Prefix, out *bpf.XdpeelField) error {
	var ipv4, ipv6 []span
	var any []int32
	for i, list := range single(len(rules)) {
		switch prefix := of(&rules[i]); {
		case !prefix.IsValid():
			any = append(any, int32(i))
		case prefix.Addr().Is4():
			ipv4 = append(ipv4, span{prefixExtent(prefix), list})
		default:
			ipv6 = append(ipv6, span{prefixExtent(prefix), list})
		}
	}
	if err := f.none(any, out); err != nil {
		return err
	}
	if err := f.root(ipv4, any, &out.Root); err != nil {
		return err
	}
	return f.root(ipv6, any, &out.RootIpv6)
}

func (f *fieldWriter) ports(rules []mirror.Rule, of func(*mirror.Rule) mirror.Ports, out *bpf.XdpeelField) error {
	var given []span
	var any []int32
	for i, list := range single(len(rules)) {
		if ports := of(&rules[i]); ports.Given {
			given = append(given, span{portExtent(ports), list})
		} else {
			any = append(any, int32(i))
		}
	}
	if err := f.none(any, out); err != nil {
		return err
	}
	return f.root(given, any, &out.Root)
}

// none writes the class of frames that do not have the field.
func (f *fieldWriter) none(rules []int32, out *bpf.XdpeelField) error {
	return f.root(nil, rules, &out.None)
}

// root writes a search of which every value ends with the rules of `always` and those
// of the spans that hold it.
func (f *fieldWriter) root(spans []span, always []int32, root *uint32) error {
	intervals, err := f.sweep(spans, always)
	if err != nil {
		return err
	}
	e, err := f.search(intervals, block{})
	*root = uint32(e)
	return err
}
