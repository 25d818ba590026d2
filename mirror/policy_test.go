package mirror_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

func TestTakeVNIs(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(mirror.TakeAll(), mirror.TakeVNIs(nil), compareAddresses); diff != "" {
		t.Errorf("no vni is not all (-want +got):\n%s", diff)
	}
	want := &mirror.Policy{Sessions: []mirror.SessionPolicy{{VNI: 7, Outputs: 1}, {VNI: 5, Outputs: 1}}}
	if diff := cmp.Diff(want, mirror.TakeVNIs([]uint32{7, 5, 7}), compareAddresses); diff != "" {
		t.Errorf("policy differs (-want +got):\n%s", diff)
	}
	if err := mirror.TakeVNIs([]uint32{1 << 24}).Check(); err == nil || !strings.Contains(err.Error(), "vni 16777216 is more than 24 bits") {
		t.Errorf("vni of 25 bits: error %v", err)
	}
}

// TestSessionPrecedence holds what a judge applies, and what Session says, to the
// three steps of docs/judgement.md, for random policies.
func TestSessionPrecedence(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	addresses := []netip.Addr{eni.Address, web.Address, eni6.Address}
	for range 200 {
		policy := randomPolicy(random, addresses)
		d := newDecapsulator(t, mirror.Options{}, policy)
		for vni := range uint32(3) {
			for _, source := range addresses {
				session := mirror.Session{VNI: vni, Source: source}
				want := bySteps(policy, session)
				if got := policy.Session(session); got != want {
					t.Fatalf("%s: %v, want %v of %v", session, got, want, policy.Sessions)
				}
				frame := frames.Wrap(frames.ARPFrame(eni, web), vni, source, sameFamily(source))
				got := d.Judge(frame, len(frame))
				if want == nil && got.Outcome == abi.OutcomeUnknownSession {
					continue
				}
				if want == nil || got.Outcome != abi.OutcomeDelivered || got.Packet.Outputs != want.Outputs {
					t.Fatalf("%s: %s to outputs %d, want %v", session, got.Outcome, got.Packet.Outputs, want)
				}
			}
		}
	}
}

// randomPolicy has each possible session policy, or not, each with another output.
func randomPolicy(random *rand.Rand, addresses []netip.Addr) *mirror.Policy {
	all := []mirror.SessionPolicy{{AnyVNI: true}}
	for vni := range uint32(3) {
		all = append(all, mirror.SessionPolicy{VNI: vni})
		for _, source := range addresses {
			all = append(all, mirror.SessionPolicy{VNI: vni, Source: source})
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:random.IntN(len(all)+1)]
	for i := range all {
		all[i].Outputs = 1 << i
	}
	return &mirror.Policy{Sessions: all}
}

func bySteps(policy *mirror.Policy, session mirror.Session) *mirror.SessionPolicy {
	for _, wanted := range []mirror.SessionPolicy{
		{VNI: session.VNI, Source: session.Source}, {VNI: session.VNI}, {AnyVNI: true},
	} {
		i := slices.IndexFunc(policy.Sessions, func(s mirror.SessionPolicy) bool {
			return s.VNI == wanted.VNI && s.Source == wanted.Source && s.AnyVNI == wanted.AnyVNI
		})
		if i >= 0 {
			return &policy.Sessions[i]
		}
	}
	return nil
}

// sameFamily returns an address of the same length, to mirror to.
func sameFamily(source netip.Addr) netip.Addr {
	if source.Is4() {
		return target
	}
	return web6.Address
}

// TestSessionOfMappedSource sees that an IPv4-mapped source is the IPv4 address, in
// the policy and in the session.
func TestSessionOfMappedSource(t *testing.T) {
	t.Parallel()
	mapped := netip.AddrFrom16(eni.Address.As16())
	for _, named := range []netip.Addr{eni.Address, mapped} {
		policy := mirror.Policy{Sessions: []mirror.SessionPolicy{{VNI: 5, Source: named}}}
		for _, source := range []netip.Addr{eni.Address, mapped} {
			if policy.Session(mirror.Session{VNI: 5, Source: source}) == nil {
				t.Errorf("session from %s is not the one of %s", source, named)
			}
		}
		if policy.Session(mirror.Session{VNI: 5, Source: web.Address}) != nil {
			t.Errorf("session from %s is the one of %s", web.Address, named)
		}
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	prefix := netip.MustParsePrefix
	for _, test := range []struct {
		allow  []netip.Prefix
		source string
		want   bool
	}{
		{nil, "10.0.0.1", true},
		{[]netip.Prefix{}, "10.0.0.1", false},
		{[]netip.Prefix{prefix("10.0.0.0/8")}, "10.255.255.255", true},
		{[]netip.Prefix{prefix("10.0.0.0/8")}, "11.0.0.0", false},
		{[]netip.Prefix{prefix("10.0.0.0/8")}, "::ffff:10.1.2.3", true},
		{[]netip.Prefix{prefix("::/0")}, "::ffff:10.1.2.3", false},
		{[]netip.Prefix{prefix("::/0")}, "::10.1.2.3", true},
		{[]netip.Prefix{prefix("0.0.0.0/0")}, "::", false},
		{[]netip.Prefix{prefix("2001:db8::/32"), prefix("192.0.2.1/32")}, "192.0.2.1", true},
	} {
		policy := mirror.Policy{AllowSources: test.allow}
		if got := policy.Allows(netip.MustParseAddr(test.source)); got != test.want {
			t.Errorf("%v allows %s: %t", test.allow, test.source, got)
		}
	}
}

// many returns a policy of n sessions.
func many(n int) *mirror.Policy {
	vnis := make([]uint32, n)
	for i := range vnis {
		vnis[i] = uint32(i)
	}
	return mirror.TakeVNIs(vnis)
}

func TestPolicyAtItsLimits(t *testing.T) {
	t.Parallel()
	rules := make([]mirror.Rule, abi.LimitRules)
	for i := range rules {
		rules[i].Number = 1 + 3*i
	}
	filter := &mirror.Filter{Ingress: rules, Egress: rules}
	for name, policy := range map[string]*mirror.Policy{
		"nothing":  {},
		"sessions": many(abi.LimitSessions),
		"any thing": {
			AllowSources: []netip.Prefix{netip.MustParsePrefix("10.0.0.7/8"), netip.MustParsePrefix("::/0")},
			Sessions: []mirror.SessionPolicy{
				{AnyVNI: true, Filter: filter, Outputs: 1<<32 - 1},
				{VNI: 0, Filter: filter, Sample: mirror.Sampling{By: abi.SamplingByFlow, OneIn: 1<<32 - 1}},
				{VNI: 0, Source: eni.Address, MAC: [6]byte{2}, Sample: mirror.Sampling{By: abi.SamplingByPacket, OneIn: 1}},
				{VNI: 0, Source: eni6.Address, Snap: mirror.Snap{Bytes: 14, Headers: true}},
				{VNI: 1<<24 - 1, Source: eni.Address, Snap: mirror.Snap{Bytes: 65535}},
			},
		},
	} {
		if err := policy.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPolicyRefused(t *testing.T) {
	t.Parallel()
	session := func(s mirror.SessionPolicy) *mirror.Policy {
		return &mirror.Policy{Sessions: []mirror.SessionPolicy{s}}
	}
	filter := func(ingress ...mirror.Rule) *mirror.Policy {
		return session(mirror.SessionPolicy{VNI: 5, Filter: &mirror.Filter{Name: "web", Ingress: ingress}})
	}
	named := mirror.SessionPolicy{VNI: 5, Source: eni.Address, Name: "web-1"}
	mapped := named
	mapped.Source = netip.AddrFrom16(eni.Address.As16())
	snapped, sampled, grouped, zoned := named, named, named, named
	snapped.Snap.Bytes = 13
	sampled.Sample.By = abi.SamplingByFlow
	grouped.MAC = [6]byte{1, 0, 0x5e, 0, 0, 1}
	zoned.Source = netip.MustParseAddr("fe80::1%eth0")
	invalid := netip.PrefixFrom(eni.Address, 33)
	for _, test := range []struct {
		policy  *mirror.Policy
		message string
	}{
		{many(abi.LimitSessions + 1), "check policy: 16385 sessions, at most 16384 are allowed"},
		{&mirror.Policy{AllowSources: []netip.Prefix{{}}}, "check policy: allowed source invalid Prefix: no network"},
		{&mirror.Policy{AllowSources: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
			"check policy: allowed source ::ffff:10.0.0.0/104: an IPv4-mapped network"},
		{&mirror.Policy{Sessions: []mirror.SessionPolicy{named, {VNI: 5}, named}}, "check session vni 5 from 10.0.0.1 (web-1): it is there twice"},
		{&mirror.Policy{Sessions: []mirror.SessionPolicy{named, mapped}}, "check session vni 5 from ::ffff:10.0.0.1 (web-1): it is there twice"},
		{&mirror.Policy{Sessions: []mirror.SessionPolicy{{VNI: 5}, {VNI: 5, Name: "b"}}}, "check session vni 5 (b): it is there twice"},
		{&mirror.Policy{Sessions: []mirror.SessionPolicy{{AnyVNI: true}, {AnyVNI: true}}}, "check session vni any: it is there twice"},
		{session(mirror.SessionPolicy{AnyVNI: true, VNI: 1}), "check session vni any: the default session has no vni and no source"},
		{session(mirror.SessionPolicy{AnyVNI: true, Source: eni.Address}), "check session vni any: the default session has no vni and no source"},
		{session(mirror.SessionPolicy{VNI: 1 << 24}), "check session vni 16777216: vni 16777216 is more than 24 bits"},
		{session(zoned), "a source has no zone"},
		{session(grouped), "check session vni 5 from 10.0.0.1 (web-1): mac 01005e000001 is a group's"},
		{session(snapped), "check session vni 5 from 10.0.0.1 (web-1): check snap length: 13 is not within 14 to 65535"},
		{session(mirror.SessionPolicy{Snap: mirror.Snap{Bytes: 65536, Headers: true}}), "65536 is not within"},
		{session(mirror.SessionPolicy{Snap: mirror.Snap{Bytes: -1}}), "-1 is not within"},
		{session(sampled), "check session vni 5 from 10.0.0.1 (web-1): check sampling: one in 0 is none"},
		{session(mirror.SessionPolicy{Sample: mirror.Sampling{By: 3, OneIn: 1}}), "check sampling: sampling(3) is unknown"},
		{filter(mirror.Rule{Number: 0}), `check filter "web": ingress rule 0: it follows rule 0: numbers ascend from 1`},
		{filter(mirror.Rule{Number: -1}), `check filter "web": ingress rule -1: it follows rule 0`},
		{filter(mirror.Rule{Number: 5}, mirror.Rule{Number: 5}), `check filter "web": ingress rule 5: it follows rule 5`},
		{filter(mirror.Rule{Number: 5}, mirror.Rule{Number: 4}), `check filter "web": ingress rule 4: it follows rule 5`},
		{filter(mirror.Rule{Number: 5, Source: invalid}), `check filter "web": ingress rule 5: source is no network`},
		{filter(mirror.Rule{Number: 5, Destination: invalid}), `check filter "web": ingress rule 5: destination is no network`},
		{filter(mirror.Rule{Number: 5, SourcePorts: mirror.Ports{First: 2, Last: 1, Given: true}}), "rule 5: source ports 2 to 1 are none"},
		{filter(mirror.Rule{Number: 5, DestinationPorts: mirror.Ports{First: 1, Given: true}}), "rule 5: destination ports 1 to 0 are none"},
		{filter(make([]mirror.Rule, abi.LimitRules+1)...), `check filter "web": 10241 ingress rules, at most 10240 are allowed`},
		{session(mirror.SessionPolicy{Filter: &mirror.Filter{Name: "x", Egress: []mirror.Rule{{}}}}), `check filter "x": egress rule 0`},
	} {
		err := test.policy.Check()
		if err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("error %v, want %q", err, test.message)
		}
		if d, err := mirror.NewDecapsulator(mirror.Options{}, test.policy); err == nil || d != nil {
			t.Errorf("a judge takes a policy in spite of %q", test.message)
		}
	}
}

// TestPolicyErrorsTogether sees that all complaints come at once, and those of a
// filter that sessions share only once.
func TestPolicyErrorsTogether(t *testing.T) {
	t.Parallel()
	filter := &mirror.Filter{Name: "bad", Ingress: []mirror.Rule{{Number: 3}, {Number: 2}}, Egress: []mirror.Rule{{Number: 1}, {Number: 1}}}
	err := (&mirror.Policy{Sessions: []mirror.SessionPolicy{
		{VNI: 1, Filter: filter, Snap: mirror.Snap{Bytes: 1}}, {VNI: 2, Filter: filter}, {VNI: 1 << 24},
	}}).Check()
	want := []string{"check session vni 1: ", "check session vni 16777216: ", `ingress rule 2: `, `egress rule 1: `}
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d complaints, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) {
			t.Errorf("complaint %q, want %q", line, want[i])
		}
	}
}

// TestSetPolicy changes the policy while sessions are known: their accounts, their
// MACs and their places in sampling by packet stay.
func TestSetPolicy(t *testing.T) {
	t.Parallel()
	sampling := mirror.TakeVNIs([]uint32{5})
	sampling.Sessions[0].Sample = mirror.Sampling{By: abi.SamplingByPacket, OneIn: 3}
	d := newDecapsulator(t, mirror.Options{}, sampling)
	told := frames.Wrap(frames.TCPFrame(eni, web, nil), 5, eni.Address, target)
	untold := frames.Wrap(frames.ARPFrame(eni, web), 5, eni.Address, target)
	see := func(step string, frame []byte, want abi.Outcome, direction abi.Direction) {
		t.Helper()
		got := d.Judge(frame, len(frame))
		if got.Outcome != want || got.Packet.Direction != direction {
			t.Errorf("%s: %s %s, want %s %s", step, got.Packet.Direction, got.Outcome, direction, want)
		}
	}
	set := func(p *mirror.Policy) {
		t.Helper()
		if err := d.SetPolicy(p); err != nil {
			t.Fatal(err)
		}
	}
	see("first of 3", told, abi.OutcomeDelivered, egress)
	if err := d.SetPolicy(many(abi.LimitSessions + 1)); err == nil {
		t.Error("a judge takes a policy that cannot be")
	}
	see("second of 3, by the policy before", told, abi.OutcomeSampledOut, egress)
	set(&mirror.Policy{})
	see("unknown", told, abi.OutcomeUnknownSession, unknown)
	none := mirror.TakeAll()
	none.Sessions[0].Filter = &mirror.Filter{}
	set(none)
	see("filtered, by its mac", untold, abi.OutcomeFiltered, egress)
	set(sampling)
	see("third of 3", untold, abi.OutcomeSampledOut, egress)
	see("first of 3 again", untold, abi.OutcomeDelivered, egress)

	want := mirror.NewLedger("", "")
	want.Received = 6
	want.Outcomes[abi.OutcomeDelivered], want.Outcomes[abi.OutcomeSampledOut] = 2, 2
	want.Outcomes[abi.OutcomeFiltered], want.Outcomes[abi.OutcomeUnknownSession] = 1, 1
	key := mirror.Session{VNI: 5, Source: eni.Address}
	want.Sessions[key] = mirror.SessionAccount{Packets: 5, Bytes: 2*54 + 3*42, Filtered: 1, SampledOut: 2}
	want.Strangers = []mirror.Stranger{{Session: key, Unknown: 1, Bytes: 54}}
	if diff := cmp.Diff(want, d.Ledger(), compareAddresses); diff != "" {
		t.Errorf("ledger differs (-want +got):\n%s", diff)
	}
}
