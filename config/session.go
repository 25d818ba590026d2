package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// session is a session as it is read.
type session struct {
	mirror.SessionPolicy
	// Where they stand; nil: not given.
	vni, source, mac, name, outputs, share, vlan, snaplen *yaml.Node
}

// sessionKeys are the keys of a session. Their values are those of
// mirror.SessionPolicy.
var sessionKeys = []key[session]{
	{"vni", readVNI},
	{"source", readSource},
	{"name", readSessionName},
	{"mac", readMAC},
	{"filter", readFilterName},
	{"sample", func(r *reader, n *yaml.Node, s *session) { s.Sample = r.sample(n) }},
	{"snaplen", func(r *reader, n *yaml.Node, s *session) { s.Snap, s.snaplen = r.snap(n), n }},
	{"outputs", readOutputNames},
	{"share", readShare},
	{"vlan", readVLAN},
}

// readSessions reads all sessions, when filters and outputs are known.
func (r *reader) readSessions() {
	if r.sessions == nil {
		return
	}
	elements := r.list(r.sessions, "sessions", "[{vni: any}]")
	if len(elements) > abi.LimitSessions {
		r.complain(r.sessions, "sessions has %d; at most %d are known", len(elements), abi.LimitSessions)
		return
	}
	seen := sessionsSeen{make(firstLines[identity]), make(firstLines[string])}
	for _, element := range elements {
		s := session{}
		if !readMapping(r, element, "a session", sessionKeys, &s) {
			continue
		}
		if s.outputs == nil {
			s.Outputs = r.allOutputs()
		}
		r.checkVeths(&s)
		if r.checkSession(r.resolve(element), &s) {
			r.checkTwice(seen, &s)
			r.config.Policy.Sessions = append(r.config.Policy.Sessions, s.SessionPolicy)
		}
	}
}

// identity is what tells a session from others.
type identity struct {
	vni    uint32
	any    bool
	source netip.Addr
}

// sessionsSeen is what the sessions before have taken.
type sessionsSeen struct {
	identities firstLines[identity]
	names      firstLines[string]
}

// checkTwice complains of a session, or a session's name, that is there already.
func (r *reader) checkTwice(seen sessionsSeen, s *session) {
	if first := seen.identities.note(identity{s.VNI, s.AnyVNI, s.Source}, s.vni); first != 0 {
		r.complain(s.vni, "%s is there twice, first in line %d", s.title(), first)
	}
	if s.Name == "" {
		return
	}
	if first := seen.names.note(s.Name, s.name); first != 0 {
		r.complain(s.name, "name %q is there twice, first in line %d", s.Name, first)
	}
}

// title names a session in a complaint.
func (s *session) title() string {
	switch {
	case s.AnyVNI:
		return "the default session"
	case s.Source.IsValid():
		return "session " + mirror.Session{VNI: s.VNI, Source: s.Source}.String()
	}
	return fmt.Sprintf("session vni %d from any source", s.VNI)
}

// checkSession complains of what is missing from a session, and of what does not
// go together. It returns false if the session is not known by VNI and source.
func (r *reader) checkSession(element *yaml.Node, s *session) bool {
	switch {
	case s.vni == nil:
		r.complain(element, "a session needs the key vni, a number or any")
		return false
	case s.AnyVNI && s.source != nil:
		r.complain(s.source, "source: the default session is that of any source")
		return false
	case s.AnyVNI && s.mac != nil:
		r.complain(s.mac, "mac: the default session is that of many interfaces")
	}
	return s.source == nil || s.Source.IsValid()
}

func readVNI(r *reader, n *yaml.Node, s *session) {
	text, ok := r.text(n, "vni")
	if !ok {
		s.vni, s.AnyVNI = nil, false
		return
	}
	number, err := parseNumber(text)
	if text != "any" && (err != nil || number > mirror.MaxVNI) {
		r.complain(n, "vni %q is not a number from 0 to %d, or any", text, mirror.MaxVNI)
	}
	s.vni, s.VNI, s.AnyVNI = n, uint32(number), text == "any"
}

func readSource(r *reader, n *yaml.Node, s *session) {
	s.source = n
	text, ok := r.text(n, "source")
	if !ok {
		return
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" || address.IsUnspecified() {
		r.complain(n, "source %q is not an address; leave the key out for any", text)
		return
	}
	s.Source = address.Unmap()
}

func readSessionName(r *reader, n *yaml.Node, s *session) {
	text, ok := r.text(n, "name")
	if ok && !isPrintable(text) {
		r.complain(n, "name %q has characters that cannot be printed", text)
		return
	}
	s.Name, s.name = text, n
}

func isPrintable(text string) bool {
	for _, character := range text {
		if !unicode.IsPrint(character) {
			return false
		}
	}
	return true
}

func readMAC(r *reader, n *yaml.Node, s *session) {
	s.mac = n
	text, ok := r.text(n, "mac")
	if !ok {
		return
	}
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != len(s.MAC) || mac[0]&1 != 0 || s.MAC == [6]byte(mac) {
		r.complain(n, "mac %q is not the MAC address of an interface, as 0a:1b:2c:3d:4e:5f", text)
		return
	}
	s.MAC = [6]byte(mac)
}

func readFilterName(r *reader, n *yaml.Node, s *session) {
	name, ok := r.text(n, "filter")
	if !ok {
		return
	}
	found, ok := r.config.Filters[name]
	if !ok {
		r.complain(n, "filter %q is not there; there is %s", name, candidates(slices.Sorted(maps.Keys(r.config.Filters))))
	}
	s.Filter = found
}

func readOutputNames(r *reader, n *yaml.Node, s *session) {
	s.outputs = n
	for _, element := range r.list(n, "outputs", "[archive]") {
		element = r.resolve(element)
		name, ok := r.text(element, "output")
		if !ok {
			continue
		}
		slot, ok := r.slotOf[name]
		switch {
		case !ok:
			r.complain(element, "output %q is not there; there is %s", name, candidates(slices.Sorted(maps.Keys(r.slotOf))))
		case s.Outputs.Has(slot):
			r.complain(element, "output %q is there twice", name)
		default:
			s.Outputs |= 1 << slot
		}
	}
}
