package expression

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	rules := []mirror.Rule{
		{
			Number: 1, Accept: true, Families: ipv4 | ipv6Plain, Protocol: number(6),
			Source:           netip.MustParsePrefix("10.0.0.0/8"),
			DestinationPorts: mirror.Ports{First: 443, Last: 443, Given: true},
		},
		{Number: 20, Protocol: number(47)},
		{
			Number: 1000, Accept: true, Families: 1<<abi.FamilyOther | 1<<(abi.FamilyARP|abi.FamilyTagged),
			Destination: netip.MustParsePrefix("2001:db8::/32"),
		},
		{Number: 1001, Families: mirror.AllFamilies, SourcePorts: mirror.Ports{First: 53, Last: 1024, Given: true}},
	}
	const want = `   1 accept  ipv4,ipv6         tcp  src 10.0.0.0/8 port any -> dst any port 443
  20 reject  ip                47   src any port any        -> dst any port any
1000 accept  other,tagged_arp  any  src any port any        -> dst 2001:db8::/32 port any
1001 reject  any               any  src any port 53-1024    -> dst any port any
`
	if diff := cmp.Diff(want, Format(rules)); diff != "" {
		t.Errorf("Format (-want +got):\n%s", diff)
	}
	if got, want := Format(rules[:1]), "  1 accept  ipv4,ipv6  tcp  src 10.0.0.0/8 port any -> dst any port 443\n"; got != want {
		t.Errorf("Format: %q, want %q", got, want)
	}
	if got := Format(nil); got != "" {
		t.Errorf("Format of no rules: %q", got)
	}
}
