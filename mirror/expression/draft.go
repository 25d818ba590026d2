package expression

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/mirror"
)

// draft is a list in the making. It finds what covers a rule by the rule's two
// networks, so that long lists of addresses do not cost the square of their length.
type draft struct {
	rules      list
	byNetworks map[networks][]int // places in rules
	lengths    []prefixLengths    // those of the keys of byNetworks
	known      map[prefixLengths]bool
}

type networks struct{ source, destination netip.Prefix }

// prefixLengths are in bits; -1 of the Prefix that is any.
type prefixLengths struct{ source, destination int }

func newDraft() *draft {
	return &draft{byNetworks: make(map[networks][]int), known: make(map[prefixLengths]bool)}
}

func (d *draft) add(rule *mirror.Rule) {
	key := networks{rule.Source, rule.Destination}
	d.byNetworks[key] = append(d.byNetworks[key], len(d.rules))
	lengths := prefixLengths{rule.Source.Bits(), rule.Destination.Bits()}
	if !d.known[lengths] {
		d.known[lengths] = true
		d.lengths = append(d.lengths, lengths)
	}
	d.rules = append(d.rules, *rule)
}

// isCovered reports whether one of the rules matches all that box matches, so that
// box behind them would match nothing. It adds to work what it compares.
func (d *draft) isCovered(box *mirror.Rule, work *int) bool {
	for _, lengths := range d.lengths {
		source, ok := widened(box.Source, lengths.source)
		if !ok {
			continue
		}
		destination, ok := widened(box.Destination, lengths.destination)
		if !ok {
			continue
		}
		candidates := d.byNetworks[networks{source, destination}]
		*work += 1 + len(candidates)
		for _, i := range candidates {
			if covers(&d.rules[i], box) {
				return true
			}
		}
	}
	return false
}

// widened returns the network of a length that holds another; false if there is none.
func widened(network netip.Prefix, length int) (netip.Prefix, bool) {
	switch {
	case length < 0:
		return netip.Prefix{}, true
	case length > network.Bits():
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(network.Addr(), length).Masked(), true
}
