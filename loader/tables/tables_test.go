package tables

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// dice makes rules and headers of few different values, so that they meet.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0))} }

func (d dice) ipv4() netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(d.IntN(3)), byte(d.IntN(4)), byte(d.IntN(256))})
}

func (d dice) ipv6() netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(d.IntN(2)), 7: byte(d.IntN(3)), 15: byte(d.IntN(256))})
}

func (d dice) prefix() netip.Prefix {
	switch d.IntN(4) {
	case 0:
		return netip.Prefix{}
	case 1:
		return netip.PrefixFrom(d.ipv6(), d.IntN(129)).Masked()
	default:
		return netip.PrefixFrom(d.ipv4(), d.IntN(33)).Masked()
	}
}

func (d dice) port() uint16 {
	ends := []uint16{0, 1, 53, 80, 443, 1023, 1024, 32768, 65534, 65535}
	if d.IntN(2) == 0 {
		return uint16(d.Uint32())
	}
	return ends[d.IntN(len(ends))]
}

func (d dice) ports() mirror.Ports {
	if d.IntN(2) == 0 {
		return mirror.Ports{}
	}
	a, b := d.port(), d.port()
	return mirror.Ports{First: min(a, b), Last: max(a, b), Given: true}
}

func (d dice) protocol() uint8 { return []uint8{0, 1, 6, 17, 58, 132, 255}[d.IntN(7)] }

func (d dice) rules(n int) []mirror.Rule {
	var rules []mirror.Rule
	for i := range n {
		rule := mirror.Rule{
			Number: i + 1, Accept: d.IntN(2) == 0,
			Source: d.prefix(), Destination: d.prefix(), SourcePorts: d.ports(), DestinationPorts: d.ports(),
		}
		if d.IntN(3) == 0 {
			rule.Protocol = mirror.Protocol{Number: d.protocol(), Given: true}
		}
		if d.IntN(4) == 0 {
			rule.Families = mirror.FamilySet(d.Uint32())
		}
		rules = append(rules, rule)
	}
	return rules
}

func (d dice) headers() mirror.Headers {
	family := abi.Family(d.IntN(int(abi.FamilyIPv6Extensions) + 1))
	h := mirror.Headers{Family: family | abi.Family(d.IntN(2))*abi.FamilyTagged}
	switch {
	case family >= abi.FamilyIPv6:
		h.Source, h.Destination, h.Protocol = d.ipv6(), d.ipv6(), d.protocol()
	case family == abi.FamilyIPv4:
		h.Source, h.Destination, h.Protocol = d.ipv4(), d.ipv4(), d.protocol()
	case family != abi.FamilyOther && d.IntN(2) == 0:
		h.Source, h.Destination = d.ipv4(), d.ipv4()
	}
	if (h.Protocol == 6 || h.Protocol == 17 || h.Protocol == 132) && d.IntN(4) > 0 {
		h.HasPorts, h.SourcePort, h.DestinationPort = true, d.port(), d.port()
	}
	return h
}

// linear is what the tables must say: the first rule that matches, accepting or not.
func linear(rules []mirror.Rule, h *mirror.Headers) (index int, accept bool) {
	f := mirror.Filter{Ingress: rules}
	m := f.Match(abi.DirectionIngress, h)
	return m.Index, m.Accept
}

func TestFirstMatchIsTheLinearOne(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 10, 64, 65, 511, 512, 513, 700, 4096, 4097, abi.LimitRules} {
		t.Run(fmt.Sprintf("%d rules", n), func(t *testing.T) {
			d := newDice(uint64(n))
			rules := d.rules(n)
			w := newWriter()
			at, err := w.filter(rules)
			if err != nil {
				t.Fatal(err)
			}
			for range 3000 {
				h := d.headers()
				want, accept := linear(rules, &h)
				got := reader{w}.match(at, &h)
				if got != want {
					t.Fatalf("%+v: rule %d of the tables, %d by going through them", h, got, want)
				}
				if got < 0 {
					continue
				}
				accepts := lineOf[bpf.XdpeelFilter](w, at).Accepts
				bits := lineOf[line](w, place(accepts)+place(got/chunkRules))
				if taken := bits[got%chunkRules/wordRules]>>(got%wordRules)&1 == 1; taken != accept {
					t.Fatalf("rule %d accepts in the tables %v, want %v", got, taken, accept)
				}
			}
		})
	}
}

func TestSessionsAreFound(t *testing.T) {
	source, other := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	p := &mirror.Policy{Sessions: []mirror.SessionPolicy{
		{VNI: 7, Name: "any"}, {AnyVNI: true, Name: "default"}, {VNI: 7, Source: source, Name: "exact"},
		{VNI: 9, Source: other, Name: "ipv6"}, {VNI: 0, Name: "zero"},
	}}
	for i := range p.Sessions {
		p.Sessions[i].Outputs = 1 << i // tells them apart
	}
	w := newWriter()
	if err := w.policy(p, 1); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		session mirror.Session
		want    mirror.OutputSet
	}{
		{mirror.Session{VNI: 7, Source: source}, 1 << 2},
		{mirror.Session{VNI: 7, Source: other}, 1 << 0},
		{mirror.Session{VNI: 9, Source: other}, 1 << 3},
		{mirror.Session{VNI: 9, Source: source}, 1 << 1},
		{mirror.Session{VNI: 0, Source: source}, 1 << 4},
	} {
		at := place(reader{w}.policy(test.session))
		if got := lineOf[bpf.XdpeelSessionPolicy](w, at).Outputs; got != uint32(test.want) {
			t.Errorf("%s: outputs %b, want %b", test.session, got, test.want)
		}
	}
}

func TestManyFiltersTakeSeveralRegions(t *testing.T) {
	d := newDice(1)
	p := &mirror.Policy{}
	for i := range 40 {
		p.Sessions = append(p.Sessions, mirror.SessionPolicy{VNI: uint32(i), Filter: &mirror.Filter{Ingress: d.rules(500), Egress: d.rules(3)}})
	}
	w := newWriter()
	if err := w.policy(p, 1); err != nil {
		t.Fatal(err)
	}
	if len(w.image.regions) < 2 {
		t.Fatalf("%d region: the test is to fill more than one", len(w.image.regions))
	}
	for _, s := range p.Sessions {
		policy := lineOf[bpf.XdpeelSessionPolicy](w, place(reader{w}.policy(mirror.Session{VNI: s.VNI, Source: netip.IPv4Unspecified()})))
		for range 100 {
			h := d.headers()
			want, _ := linear(s.Filter.Ingress, &h)
			if got := (reader{w}).match(place(policy.Ingress), &h); got != want {
				t.Fatalf("VNI %d, %+v: rule %d, want %d", s.VNI, h, got, want)
			}
		}
	}
}

// The largest filters fit, of whatever random networks and ports their rules are.
func TestLargestFiltersFit(t *testing.T) {
	d := newDice(2)
	hosts, ranges := scattered(abi.LimitRules), scattered(abi.LimitRules)
	for i := range abi.LimitRules {
		var address [16]byte
		for j := range address {
			address[j] = byte(d.Uint32())
		}
		hosts[i].Source = netip.PrefixFrom(netip.AddrFrom16(address), 128)
		hosts[i].Destination = netip.Prefix{}
		a, b := uint16(d.Uint32()), uint16(d.Uint32())
		ranges[i].SourcePorts = mirror.Ports{First: min(a, b), Last: max(a, b), Given: true}
	}
	for name, rules := range map[string][]mirror.Rule{"hosts": hosts, "ranges": ranges} {
		p := &mirror.Policy{Sessions: []mirror.SessionPolicy{{AnyVNI: true, Filter: &mirror.Filter{Ingress: rules, Egress: rules}}}}
		if _, err := Compile(p, 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What must be in one region and is larger is refused, in a new region as well.
func TestTooLargeIsRefused(t *testing.T) {
	w := newWriter()
	err := w.together(0, func() error {
		for range abi.RegionLines {
			if _, err := w.alloc(1); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, errRegionFull) {
		t.Errorf("error %v, want %v", err, errRegionFull)
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			p := &mirror.Policy{Sessions: []mirror.SessionPolicy{{AnyVNI: true, Filter: &mirror.Filter{Ingress: scattered(n)}}}}
			for b.Loop() {
				image, err := Compile(p, 1)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(image.regions)), "regions")
			}
		})
	}
}

// scattered returns rules of random networks and ports, as a large firewall has.
func scattered(n int) []mirror.Rule {
	d := newDice(3)
	var rules []mirror.Rule
	for range n {
		first := uint16(d.IntN(60000))
		rules = append(rules, mirror.Rule{
			Protocol:         mirror.Protocol{Number: []uint8{6, 17}[d.IntN(2)], Given: true},
			Source:           netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(d.IntN(224)), byte(d.Uint32()), byte(d.Uint32()), 0}), 24),
			Destination:      netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(d.IntN(224)), byte(d.Uint32()), byte(d.Uint32()), 0}), 24),
			DestinationPorts: mirror.Ports{First: first, Last: first + uint16(d.IntN(100)), Given: true},
		})
	}
	return rules
}
