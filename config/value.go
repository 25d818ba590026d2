package config

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// The values that several keys share. Each of these says false, or leaves what it
// would set, after a complaint.

// number reads a whole number: decimal, or hexadecimal after 0x.
func (r *reader) number(n *yaml.Node, name string, low, high uint64) (uint64, bool) {
	text, ok := r.text(n, name)
	if !ok {
		return 0, false
	}
	number, err := parseNumber(text)
	if err != nil || number < low || number > high {
		r.complain(n, "%s %q is not a number from %d to %d", name, text, low, high)
		return 0, false
	}
	return number, true
}

func parseNumber(text string) (uint64, error) {
	if hexadecimal, ok := strings.CutPrefix(text, "0x"); ok {
		return strconv.ParseUint(hexadecimal, 16, 64)
	}
	return strconv.ParseUint(text, 10, 64)
}

// limited reads a small number; otherwise is what a wrong one leaves.
func (r *reader) limited(n *yaml.Node, name string, low, high uint64, otherwise int) int {
	if number, ok := r.number(n, name, low, high); ok {
		return int(number)
	}
	return otherwise
}

// choose reads one of several words.
func choose[T ~string](r *reader, n *yaml.Node, name string, into *T, words ...T) {
	text, ok := r.text(n, name)
	if !ok {
		return
	}
	if !slices.Contains(words, T(text)) {
		quoted := fmt.Sprint(words[:len(words)-1])
		r.complain(n, "%s %q is not %s or %s", name, text, strings.ReplaceAll(strings.Trim(quoted, "[]"), " ", ", "), words[len(words)-1])
		return
	}
	*into = T(text)
}

// yes reads a choice of two.
func (r *reader) yes(n *yaml.Node, name string) bool {
	word := "false"
	choose(r, n, name, &word, "true", "false")
	return word == "true"
}

// network reads a CIDR block; a bare address is the network of it alone.
func (r *reader) network(n *yaml.Node, name string) (netip.Prefix, bool) {
	text, ok := r.text(n, name)
	if !ok {
		return netip.Prefix{}, false
	}
	var prefix netip.Prefix
	var err error
	if strings.Contains(text, "/") {
		prefix, err = netip.ParsePrefix(text)
	} else {
		var address netip.Addr
		if address, err = netip.ParseAddr(text); err == nil {
			prefix, err = address.Prefix(address.BitLen())
		}
		ok = address.Zone() == ""
	}
	if err != nil || !ok {
		r.complain(n, "%s %q is not a network, as 10.0.0.0/8 or 2001:db8::/32", name, text)
		return netip.Prefix{}, false
	}
	if prefix != prefix.Masked() {
		r.complain(n, "%s %s has bits behind its prefix: %s", name, text, prefix.Masked())
		return netip.Prefix{}, false
	}
	return prefix, true
}

// size reads a number of bytes, bare or with a unit.
func (r *reader) size(n *yaml.Node, name string) int64 {
	text, ok := r.text(n, name)
	if !ok {
		return 0
	}
	digits := strings.TrimRight(text, "kKMGTiB")
	number, err := strconv.ParseFloat(digits, 64)
	unit := slices.IndexFunc(sizeUnits, func(u sizeUnit) bool { return u.name == text[len(digits):] })
	if err != nil || unit < 0 || !(number*sizeUnits[unit].bytes >= 1) || number*sizeUnits[unit].bytes > 1<<62 {
		r.complain(n, "%s %q is not a size: bytes, or with a unit, as 1GiB or 500MB", name, text)
		return 0
	}
	return int64(number * sizeUnits[unit].bytes)
}

type sizeUnit struct {
	name  string
	bytes float64
}

var sizeUnits = []sizeUnit{
	{"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
}

// permissions reads those of a file, in octal. what is what they are of, with an example.
func (r *reader) permissions(n *yaml.Node, what string) os.FileMode {
	text, ok := r.text(n, "mode")
	if !ok {
		return 0
	}
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode == 0 || mode > 0o777 {
		r.complain(n, "mode %q is not one of %s", text, what)
		return 0
	}
	return os.FileMode(mode)
}

// duration reads a time, as time.ParseDuration does.
func (r *reader) duration(n *yaml.Node, name string) time.Duration {
	text, ok := r.text(n, name)
	if !ok {
		return 0
	}
	duration, err := time.ParseDuration(text)
	if err != nil || duration <= 0 {
		r.complain(n, "%s %q is not a time, as 30s, 5m or 1h30m", name, text)
		return 0
	}
	return duration
}

// sampleKeys are the keys of `sample`, of a session and of an output.
var sampleKeys = []key[mirror.Sampling]{
	{"one_in", func(r *reader, n *yaml.Node, s *mirror.Sampling) {
		number, _ := r.number(n, "one_in", 1, 1<<32-1)
		s.OneIn = uint32(number)
	}},
	{"by", func(r *reader, n *yaml.Node, s *mirror.Sampling) {
		word := "packet"
		choose(r, n, "by", &word, "packet", "flow")
		if word == "flow" {
			s.By = abi.SamplingByFlow
		}
	}},
}

func (r *reader) sample(n *yaml.Node) mirror.Sampling {
	sampling := mirror.Sampling{By: abi.SamplingByPacket}
	before := len(r.complaints)
	if readMapping(r, n, "sample", sampleKeys, &sampling) && sampling.OneIn == 0 && len(r.complaints) == before {
		r.complain(n, "sample needs the key one_in")
	}
	return sampling
}

// snap reads a snap length: a number of bytes, or "headers".
func (r *reader) snap(n *yaml.Node) mirror.Snap {
	text, ok := r.text(n, "snaplen")
	if !ok || text == "headers" {
		return mirror.Snap{Headers: ok}
	}
	number, err := parseNumber(text)
	if err != nil || number < mirror.EthernetLength || number > abi.LimitSnapLength {
		r.complain(n, "snaplen %q is not a number from %d to %d, or headers", text, mirror.EthernetLength, abi.LimitSnapLength)
		return mirror.Snap{}
	}
	return mirror.Snap{Bytes: int(number)}
}
