package config

import (
	"math/bits"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

func readNamespace(r *reader, n *yaml.Node, o *Output) {
	text, ok := r.text(n, "netns")
	if !ok {
		return
	}
	if text == "" || text == "." || text == ".." || strings.Contains(text, "/") && !strings.HasPrefix(text, "/") {
		r.complain(n, "netns %q is neither a name that ip netns knows nor an absolute path", text)
		return
	}
	o.Namespace = text
}

// tagVLAN is the only way yet to tell a consumer the session of a frame.
const tagVLAN = "vlan"

func readTag(r *reader, n *yaml.Node, o *Output) {
	text, ok := r.text(n, "tag")
	if ok && text != tagVLAN {
		r.complain(n, "tag %q is not %s", text, tagVLAN)
	}
	o.Tagged = text == tagVLAN
}

// The values of share.
const (
	shareBalance = "balance"
	shareCopy    = "copy"
)

func readShare(r *reader, n *yaml.Node, s *session) {
	word := shareBalance
	choose(r, n, "share", &word, shareBalance, shareCopy)
	s.share = n
	s.Sharing = abi.SharingBalance
	if word == shareCopy {
		s.Sharing = abi.SharingCopy
	}
}

func readVLAN(r *reader, n *yaml.Node, s *session) {
	s.vlan = n
	if id, ok := r.number(n, "vlan", 1, mirror.MaxVLAN); ok {
		s.VLAN = uint16(id)
	}
}

// takeVeths tells the policy which outputs are veths.
func (r *reader) takeVeths(o *Output) {
	if o.Type != OutputVeth {
		return
	}
	r.config.Policy.Veths |= 1 << o.Slot
	if o.Queues > 1 {
		r.config.Policy.Spread |= 1 << o.Slot
	}
}

// vethsOf returns the outputs of a session that are veths, and of them those that
// tag their frames.
func (r *reader) vethsOf(s *session) (veths, tagged mirror.OutputSet) {
	veths = s.Outputs & r.config.Policy.Veths
	for i := range r.config.Outputs {
		if o := &r.config.Outputs[i]; o.Tagged && veths.Has(o.Slot) {
			tagged |= 1 << o.Slot
		}
	}
	return veths, tagged
}

// checkVeths complains of what a session says of its veths and is not so.
func (r *reader) checkVeths(s *session) {
	if s.vni == nil {
		return // as is complained of
	}
	veths, tagged := r.vethsOf(s)
	n := bits.OnesCount32(uint32(veths))
	at := s.vni
	if s.outputs != nil {
		at = s.outputs
	}
	switch {
	case n > abi.LimitShares:
		r.complain(at, "%s has %d outputs of type veth; there can be %d", s.title(), n, abi.LimitShares)
	case n > 1 && s.share == nil:
		r.complain(at, "%s has %d outputs of type veth: say with the key share if they balance its flows or each get a copy", s.title(), n)
	case n < 2 && s.share != nil:
		r.note(s.share, "share changes nothing: %s has not several outputs of type veth", s.title())
	case s.Sharing == abi.SharingCopy && tagged != 0 && tagged != veths:
		r.complain(at, "%s: veths that each get a copy are tagged, all or none", s.title())
	}
	switch {
	case tagged != 0 && s.VLAN == 0 && s.AnyVNI:
		r.note(at, "frames of the default session carry no tag: it has no vlan")
	case tagged != 0 && s.VLAN == 0:
		r.complain(at, "%s has an output that tags frames: give it a vlan", s.title())
	case tagged == 0 && s.VLAN != 0:
		r.note(s.vlan, "vlan changes nothing: no output of %s tags frames", s.title())
	}
	if n > 0 && s.snaplen != nil {
		r.note(s.snaplen, "snaplen does not cut what goes to a veth")
	}
}

// checkInterfaces complains of ends of veths that are to be something else too.
func (r *reader) checkInterfaces() {
	uses := make(map[string]string)
	for _, name := range r.config.Interfaces {
		uses[name] = "where mirrored packets arrive"
	}
	use := func(o *Output, name string) {
		if before := uses[name]; before != "" && name != "" {
			r.complain(r.outputs, "output %q: interface %q is already %s", o.Name, name, before)
		}
		uses[name] = "of output \"" + o.Name + "\""
	}
	for i := range r.config.Outputs {
		o := &r.config.Outputs[i]
		if o.Type != OutputVeth {
			continue
		}
		use(o, o.Interface)
		if o.Namespace == "" {
			use(o, o.Peer)
		}
	}
}
