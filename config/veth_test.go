package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

const twoVeths = `
outputs:
  a: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, netns: ids}
  b: {type: veth, interface: xdpeel1, peer: xdpeel1-ids, queues: 2}
  archive: {type: pcapng, path: x.pcapng}
`

func TestVeths(t *testing.T) {
	c := parse(t, twoVeths+`
sessions:
  - {vni: 1, outputs: [a, b], share: balance}
  - {vni: 2, outputs: [a, b, archive], share: copy}
  - {vni: any, outputs: [a, archive]}
`)
	want := &mirror.Policy{
		Veths: 0b011, Spread: 0b010,
		Sessions: []mirror.SessionPolicy{
			{VNI: 1, Outputs: 0b011, Sharing: abi.SharingBalance},
			{VNI: 2, Outputs: 0b111, Sharing: abi.SharingCopy},
			{AnyVNI: true, Outputs: 0b101},
		},
	}
	if diff := cmp.Diff(want, c.Policy, byValue); diff != "" {
		t.Error(diff)
	}
	if c.Outputs[0].Namespace != "ids" || c.Notes != nil {
		t.Errorf("outputs %+v, notes %v", c.Outputs, c.Notes)
	}
}

func TestVethComplaints(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{twoVeths + "sessions: [{vni: 1}]", "session vni 1 from any source has 2 outputs of type veth: say with the key share"},
		{twoVeths + "sessions: [{vni: 1, share: both}]", `share "both" is not balance or copy`},
		{"outputs: {a: {type: veth, interface: x, peer: x}}", `output "a": interface "x" is already of output "a"`},
		{"interfaces: [x]\noutputs: {a: {type: veth, interface: x, peer: y}}", `output "a": interface "x" is already where mirrored packets arrive`},
		{"outputs: {a: {type: veth, interface: x, peer: y}, b: {type: veth, interface: z, peer: y}}", `output "b": interface "y" is already of output "a"`},
		{"outputs: {a: {type: veth, interface: x, peer: y, netns: a/b}}", `netns "a/b" is neither a name that ip netns knows nor an absolute path`},
		{"outputs: {a: {type: veth, interface: x, peer: y, tag: mpls}}", `tag "mpls" is not vlan`},
		{"outputs: {a: {type: veth, interface: x, peer: y, tag: vlan}}\nsessions: [{vni: 1}]", "session vni 1 from any source has an output that tags frames: give it a vlan"},
		{"outputs: {a: {type: veth, interface: x, peer: y}}\nsessions: [{vni: 1, vlan: 4095}]", `vlan "4095" is not a number from 1 to 4094`},
		{
			"outputs: {a: {type: veth, interface: x, peer: y, tag: vlan}, b: {type: veth, interface: z, peer: w}}\nsessions: [{vni: 1, vlan: 7, share: copy}]",
			"session vni 1 from any source: veths that each get a copy are tagged, all or none",
		},
	} {
		_, err := Parse("x.yaml", []byte(test.text), nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ncomplaint %v, want %q", test.text, err, test.want)
		}
	}
}

func TestVethNotes(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"outputs: {a: {type: veth, interface: x, peer: y, tag: vlan}}\nsessions: [{vni: any}]", "frames of the default session carry no tag: it has no vlan"},
		{"outputs: {a: {type: veth, interface: x, peer: y}}\nsessions: [{vni: 1, vlan: 7}]", "vlan changes nothing: no output of session vni 1 from any source tags frames"},
		{"outputs: {a: {type: veth, interface: x, peer: y}}\nsessions: [{vni: 1, share: copy}]", "share changes nothing: session vni 1 from any source has not several outputs of type veth"},
		{"outputs: {a: {type: veth, interface: x, peer: y}}\nsessions: [{vni: 1, snaplen: 100}]", "snaplen does not cut what goes to a veth"},
	} {
		c := parse(t, test.text)
		if len(c.Notes) != 1 || !strings.HasSuffix(c.Notes[0], ": "+test.want) {
			t.Errorf("%s\nnotes %q, want %q", test.text, c.Notes, test.want)
		}
	}
}
