package aws

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/xdpeel/xdpeel/mirror"
)

var comparePrefixes = cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})

const oneFilter = `{"TrafficMirrorFilters":[{"TrafficMirrorFilterId":"tmf-1",
  "IngressFilterRules":[
    {"TrafficMirrorFilterRuleId":"tmfr-2","TrafficDirection":"ingress","RuleNumber":200,"RuleAction":"reject","Protocol":-1,
     "DestinationCidrBlock":"0.0.0.0/0","SourceCidrBlock":"10.1.2.3/8","Description":"second"},
    {"TrafficMirrorFilterRuleId":"tmfr-1","TrafficDirection":"ingress","RuleNumber":100,"RuleAction":"accept","Protocol":6,
     "DestinationPortRange":{"FromPort":443,"ToPort":443},"SourcePortRange":{"FromPort":0,"ToPort":65535},
     "DestinationCidrBlock":"10.0.0.0/24","SourceCidrBlock":"0.0.0.0/0","Description":"first"}],
  "EgressFilterRules":[
    {"TrafficDirection":"egress","RuleNumber":1,"RuleAction":"accept","SourcePortRange":{"FromPort":53,"ToPort":1024}}],
  "NetworkServices":["amazon-dns"],"Description":"d","Tags":[{"Key":"team","Value":"x"},{"Key":"Name","Value":"web"}]}]}`

func TestReadFilters(t *testing.T) {
	t.Parallel()
	got, err := ReadFilters(strings.NewReader(oneFilter))
	if err != nil {
		t.Fatal(err)
	}
	want := []Filter{{
		ID: "tmf-1", Name: "web", Description: "d", Services: []string{"amazon-dns"},
		Rules: &mirror.Filter{
			Name: "tmf-1",
			Ingress: []mirror.Rule{
				{
					Number: 100, Accept: true, Protocol: mirror.Protocol{Number: 6, Given: true},
					Source: netip.MustParsePrefix("0.0.0.0/0"), Destination: netip.MustParsePrefix("10.0.0.0/24"),
					DestinationPorts: mirror.Ports{First: 443, Last: 443, Given: true},
				},
				{Number: 200, Source: netip.MustParsePrefix("10.0.0.0/8"), Destination: netip.MustParsePrefix("0.0.0.0/0")},
			},
			Egress: []mirror.Rule{{Number: 1, Accept: true, SourcePorts: mirror.Ports{First: 53, Last: 1024, Given: true}}},
		},
		IngressDescriptions: []string{"first", "second"},
		EgressDescriptions:  []string{""},
	}}
	if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
		t.Error(diff)
	}
	if err := want[0].Rules.Check(); err != nil {
		t.Error(err)
	}
}

// Pages are documents one behind the other.
func TestPages(t *testing.T) {
	t.Parallel()
	pages := `{"TrafficMirrorFilters":[{"TrafficMirrorFilterId":"tmf-1"}],"NextToken":"more"}
{"NextToken":"","TrafficMirrorFilters":[{"TrafficMirrorFilterId":"tmf-2"}]}` + "\n"
	filters, err := ReadFilters(strings.NewReader(pages))
	if err != nil {
		t.Fatal(err)
	}
	if len(filters) != 2 || filters[0].ID != "tmf-1" || filters[1].Rules.Name != "tmf-2" {
		t.Errorf("%v", filters)
	}
	none, err := ReadFilters(strings.NewReader(`{"TrafficMirrorFilters":[]}`))
	if err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}

func TestBadFilters(t *testing.T) {
	t.Parallel()
	rule := func(text string) string {
		return `{"TrafficMirrorFilters":[{"TrafficMirrorFilterId":"tmf-1","IngressFilterRules":[` + text + `]}]}`
	}
	for _, test := range []struct{ in, want string }{
		{"", "read pages: nothing in it; `aws ec2 describe-traffic-mirror-filters` prints it"},
		{" \n", "read pages: nothing in it; `aws ec2 describe-traffic-mirror-filters` prints it"},
		{`{"TrafficMirrorSessions":[]}`, "read pages: not what `aws ec2 describe-traffic-mirror-filters` prints"},
		{`[]`, "read pages: not what `aws ec2 describe-traffic-mirror-filters` prints: all is of JSON type array"},
		{rule(`{"RuleNumber":"7"}`), "read pages: not what `aws ec2 describe-traffic-mirror-filters` prints: TrafficMirrorFilters.IngressFilterRules.RuleNumber is of JSON type string"},
		{`{"TrafficMirrorFilters":[`, "read json at byte 0: unexpected EOF"},
		{`{"TrafficMirrorFilters":[],"NextToken":"x"}`, "read pages: the last one has a NextToken, so there are more: print them all"},
		{`{"TrafficMirrorFilters":[{}]}`, "read filter: it has no TrafficMirrorFilterId"},
		{`{"TrafficMirrorFilters":[{"TrafficMirrorFilterId":"a"},{"TrafficMirrorFilterId":"a"}]}`, "filter a: is there twice"},
		{rule(`{"RuleAction":"accept"}`), "filter tmf-1, ingress rule 0: it has no RuleNumber from 1"},
		{rule(`{"RuleNumber":7}`), `filter tmf-1, ingress rule 7: its RuleAction "" is not accept or reject`},
		{rule(`{"RuleNumber":7,"RuleAction":"accept","TrafficDirection":"egress"}`), `filter tmf-1, ingress rule 7: its TrafficDirection is "egress"`},
		{rule(`{"RuleNumber":7,"RuleAction":"accept","Protocol":256}`), "filter tmf-1, ingress rule 7: its Protocol 256 is not a protocol number"},
		{rule(`{"RuleNumber":7,"RuleAction":"accept","SourceCidrBlock":"10.0.0.1"}`), `filter tmf-1, ingress rule 7: its SourceCidrBlock "10.0.0.1" is not a CIDR block`},
		{rule(`{"RuleNumber":7,"RuleAction":"accept","DestinationCidrBlock":"x"}`), `filter tmf-1, ingress rule 7: its DestinationCidrBlock "x" is not a CIDR block`},
		{rule(`{"RuleNumber":7,"RuleAction":"accept","Protocol":6,"SourcePortRange":{"FromPort":5,"ToPort":4}}`), "filter tmf-1, ingress rule 7: its SourcePortRange 5-4 is not a range within 0 to 65535"},
		{rule(`{"RuleNumber":7,"RuleAction":"accept","Protocol":1,"DestinationPortRange":{"FromPort":5,"ToPort":5}}`), "filter tmf-1, ingress rule 7: it names ports, which protocol 1 does not have"},
		{rule(`{"RuleNumber":7,"RuleAction":"accept","SourceCidrBlock":"::/0","DestinationCidrBlock":"0.0.0.0/0"}`), "filter tmf-1, ingress rule 7: ::/0 and 0.0.0.0/0 are not of one IP version"},
		{rule(`{"RuleNumber":7,"RuleAction":"accept"},{"RuleNumber":7,"RuleAction":"reject"},{"RuleNumber":8}`),
			"filter tmf-1, ingress rule 7: the number is there twice\nfilter tmf-1, ingress rule 8: its RuleAction \"\" is not accept or reject"},
	} {
		if _, err := ReadFilters(strings.NewReader(test.in)); err == nil || err.Error() != test.want {
			t.Errorf("%s\n got %v\nwant %s", test.in, err, test.want)
		}
	}
}

func TestReadSessions(t *testing.T) {
	t.Parallel()
	got, err := ReadSessions(strings.NewReader(`{"TrafficMirrorSessions":[{"TrafficMirrorSessionId":"tms-1","TrafficMirrorTargetId":"tmt-1",
  "TrafficMirrorFilterId":"tmf-1","NetworkInterfaceId":"eni-1","OwnerId":"111122223333","PacketLength":20,"SessionNumber":1,
  "VirtualNetworkId":42,"Description":"d","Tags":[{"Key":"Name","Value":"n"}]},
  {"TrafficMirrorSessionId":"tms-2","TrafficMirrorFilterId":"tmf-1"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	vni := uint32(42)
	want := []Session{
		{
			ID: "tms-1", Name: "n", Description: "d", Owner: "111122223333", FilterID: "tmf-1", InterfaceID: "eni-1",
			Number: 1, VNI: &vni, PacketLength: 20,
		},
		{ID: "tms-2", FilterID: "tmf-1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct{ in, want string }{
		{`{}`, "read session: it has no TrafficMirrorSessionId"},
		{`{"TrafficMirrorSessionId":"a"}`, "session a: it has no TrafficMirrorFilterId"},
		{`{"TrafficMirrorSessionId":"a","TrafficMirrorFilterId":"f","VirtualNetworkId":16777216}`, "session a: its VirtualNetworkId 16777216 is more than 24 bits"},
		{`{"TrafficMirrorSessionId":"a","TrafficMirrorFilterId":"f","PacketLength":-1}`, "session a: its PacketLength -1 is negative"},
		{`{"TrafficMirrorSessionId":"a","TrafficMirrorFilterId":"f"},{"TrafficMirrorSessionId":"a","TrafficMirrorFilterId":"f"}`, "session a: is there twice"},
	} {
		if _, err := ReadSessions(strings.NewReader(`{"TrafficMirrorSessions":[` + test.in + `]}`)); err == nil || err.Error() != test.want {
			t.Errorf("%s\n got %v\nwant %s", test.in, err, test.want)
		}
	}
}

func TestReadInterfaces(t *testing.T) {
	t.Parallel()
	got, err := ReadInterfaces(strings.NewReader(`{"NetworkInterfaces":[{"NetworkInterfaceId":"eni-1","MacAddress":"0a:1b:2c:3d:4e:5f",
  "PrivateIpAddress":"10.0.12.59","PrivateIpAddresses":[{"Primary":true,"PrivateIpAddress":"10.0.12.59"}],
  "TagSet":[{"Key":"Name","Value":"web-1"}]},
  {"NetworkInterfaceId":"eni-2","MacAddress":"0a:1b:2c:3d:4e:60","Ipv6Addresses":[{"Ipv6Address":"2001:db8::1"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Interface{
		"eni-1": {
			ID: "eni-1", Name: "web-1", Address: netip.MustParseAddr("10.0.12.59"), MAC: [6]byte{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f},
		},
		"eni-2": {ID: "eni-2", MAC: [6]byte{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x60}},
	}
	if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct{ in, want string }{
		{`{}`, "read interface: it has no NetworkInterfaceId"},
		{`{"NetworkInterfaceId":"e","PrivateIpAddress":"x"}`, `interface e: its PrivateIpAddress "x" is not an address`},
		{`{"NetworkInterfaceId":"e","PrivateIpAddress":"10.0.0.1","MacAddress":"x"}`, `interface e: its MacAddress "x" is not a MAC address`},
	} {
		if _, err := ReadInterfaces(strings.NewReader(`{"NetworkInterfaces":[` + test.in + `]}`)); err == nil || err.Error() != test.want {
			t.Errorf("%s\n got %v\nwant %s", test.in, err, test.want)
		}
	}
}

func FuzzReadFilters(f *testing.F) {
	f.Add([]byte(oneFilter))
	f.Fuzz(func(t *testing.T, text []byte) {
		filters, err := ReadFilters(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		for _, filter := range filters {
			if err := filter.Rules.Check(); err != nil {
				t.Errorf("%s: %v", filter.ID, err)
			}
		}
	})
}
