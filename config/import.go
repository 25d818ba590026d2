package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/aws"
)

const importHead = `# Written by xdpeel config import-aws. Still to say: where packets arrive, and where
# they go. For example:
#
# interfaces: [ens5]
# outputs:
#   archive: {type: pcapng, path: "/var/lib/xdpeel/%Y%m%d-%H%M%S.pcapng", rotate_size: 1GiB}

`

// FromAWS writes the configuration of what AWS says of mirroring: its sessions, with
// their filters as rules. interfaces, by id, tell sources and MAC addresses; without
// them nil. Parse takes the text; the same input gives the same bytes. What differs
// from AWS stands in the text as a comment, and in notes. It fails if a session names
// a filter that is not among filters.
func FromAWS(sessions []aws.Session, filters []aws.Filter, interfaces map[string]aws.Interface) (text []byte, notes []string, err error) {
	used := make(map[string]bool)
	known := make(map[string]bool)
	for i := range filters {
		known[filters[i].ID] = true
	}
	var errs []error
	for i := range sessions {
		used[sessions[i].FilterID] = true
		if !known[sessions[i].FilterID] {
			errs = append(errs, fmt.Errorf("session %s: its filter %s is not among the filters", sessions[i].ID, sessions[i].FilterID))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	w := &importer{interfaces: interfaces, names: make(map[string]bool)}
	w.text.WriteString(importHead)
	w.writeSessions(sessions)
	w.writeFilters(filters, used)
	return w.text.Bytes(), w.notes, nil
}

// importer writes a configuration.
type importer struct {
	text       bytes.Buffer
	notes      []string
	interfaces map[string]aws.Interface
	names      map[string]bool // of sessions, taken
}

func (w *importer) printf(format string, args ...any) { fmt.Fprintf(&w.text, format, args...) }

func (w *importer) note(format string, args ...any) {
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

// writeSessions writes sessions in the order of VNI, interface and session number.
// Those of one VNI and one source, or of no known source, are one session.
func (w *importer) writeSessions(sessions []aws.Session) {
	sessions = slices.Clone(sessions)
	slices.SortFunc(sessions, func(a, b aws.Session) int {
		return cmp.Or(cmp.Compare(vniOf(a), vniOf(b)), cmp.Compare(a.InterfaceID, b.InterfaceID),
			cmp.Compare(a.Number, b.Number), cmp.Compare(a.ID, b.ID))
	})
	w.printf("sessions:\n")
	var keys []mirror.Session
	groups := make(map[mirror.Session][]aws.Session)
	for _, s := range sessions {
		if s.VNI == nil {
			w.note("session %s has no VirtualNetworkId: it is left out", s.ID)
			w.describe(&s)
			w.printf("  # It has no VirtualNetworkId, and is left out.\n")
			continue
		}
		key := mirror.Session{VNI: *s.VNI, Source: w.interfaces[s.InterfaceID].Address}
		if w.lacksSource(key) {
			w.note("session %s: no address of its interface %q is known: its source is left out", s.ID, s.InterfaceID)
		}
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], s)
	}
	for _, key := range keys {
		w.writeSession(key, groups[key])
	}
}

// lacksSource says whether the source of a session should be known, and is not.
func (w *importer) lacksSource(key mirror.Session) bool {
	return w.interfaces != nil && !key.Source.IsValid()
}

// vniOf is the VNI of a session, and of one without it more than any.
func vniOf(s aws.Session) uint32 {
	if s.VNI == nil {
		return mirror.MaxVNI + 1
	}
	return *s.VNI
}

// describe writes a comment on a session.
func (w *importer) describe(s *aws.Session) {
	w.printf("  # %s", oneLine(s.ID))
	for _, part := range []struct{ name, value string }{
		{"of ", s.InterfaceID}, {"account ", s.Owner}, {"session number ", strconv.Itoa(s.Number)}, {"", s.Description},
	} {
		if value := oneLine(part.value); value != "" {
			w.printf(", %s%s", part.name, value)
		}
	}
	w.printf("\n")
}

// writeSession writes one session for all that AWS has of a VNI and a source. What
// they do not agree on is left out: AWS has filtered and cut the packets already.
func (w *importer) writeSession(key mirror.Session, sessions []aws.Session) {
	first := &sessions[0]
	oneFilter, oneLength := true, true
	for i := range sessions {
		w.describe(&sessions[i])
		oneFilter = oneFilter && sessions[i].FilterID == first.FilterID
		oneLength = oneLength && sessions[i].PacketLength == first.PacketLength
	}
	if len(sessions) > 1 {
		w.noteOne(key, sessions)
		w.printf("  # They have one VNI and one source, or none that is known: one session here.\n")
	}
	if w.lacksSource(key) {
		w.printf("  # No address of its interface is known: its source is left out.\n")
	}
	w.printf("  - vni: %d\n", key.VNI)
	if key.Source.IsValid() {
		w.printf("    source: %s\n", key.Source)
	}
	found, ok := w.interfaces[first.InterfaceID]
	w.printf("    name: %s\n", quoted(w.name(first, found.Name)))
	if ok && key.Source.IsValid() {
		w.printf("    mac: %s\n", net.HardwareAddr(found.MAC[:]))
	}
	if oneFilter {
		w.printf("    filter: %s\n", quoted(first.FilterID))
	}
	if oneLength && first.PacketLength >= mirror.EthernetLength && first.PacketLength <= abi.LimitSnapLength {
		w.printf("    snaplen: %d\n", first.PacketLength)
	}
}

// noteOne says that several sessions of AWS's are one here.
func (w *importer) noteOne(key mirror.Session, sessions []aws.Session) {
	var ids []string
	for i := range sessions {
		ids = append(ids, sessions[i].ID)
	}
	remedy := ""
	if w.interfaces == nil {
		remedy = "; with the interfaces they can be told apart by source"
	}
	w.note("sessions %s are one here, of VNI %d%s", strings.Join(ids, ", "), key.VNI, remedy)
}

// name returns a name for a session that no other has: of its tag, its
// description or its interface, or its id.
func (w *importer) name(s *aws.Session, interfaceName string) string {
	name := cmp.Or(oneLine(s.Name), oneLine(s.Description), oneLine(interfaceName), s.ID)
	for w.names[name] {
		name += " " + s.ID
	}
	w.names[name] = true
	return name
}

// writeFilters writes the filters that sessions use, in the order of their ids.
func (w *importer) writeFilters(filters []aws.Filter, used map[string]bool) {
	filters = slices.DeleteFunc(slices.Clone(filters), func(f aws.Filter) bool { return !used[f.ID] })
	slices.SortFunc(filters, func(a, b aws.Filter) int { return cmp.Compare(a.ID, b.ID) })
	w.printf("filters:\n")
	for i := range filters {
		f := &filters[i]
		if about := strings.Join(slices.DeleteFunc([]string{oneLine(f.Name), oneLine(f.Description)},
			func(text string) bool { return text == "" }), ": "); about != "" {
			w.printf("  # %s\n", about)
		}
		if len(f.Services) > 0 {
			services := oneLine(strings.Join(f.Services, ", "))
			w.note("filter %s: AWS also mirrors %s, which no rule says: add rules that take it, or it is filtered", f.ID, services)
			w.printf("  # AWS also mirrors %s, which no rule says: add rules that take it, or it is filtered.\n", services)
		}
		w.printf("  %s:\n", quoted(f.ID))
		w.writeRules("ingress", f.Rules.Ingress, f.IngressDescriptions)
		w.writeRules("egress", f.Rules.Egress, f.EgressDescriptions)
	}
}

func (w *importer) writeRules(direction string, rules []mirror.Rule, descriptions []string) {
	if len(rules) == 0 {
		w.printf("    %s: []\n", direction)
		return
	}
	w.printf("    %s:\n", direction)
	for i := range rules {
		w.printf("      - {%s}", ruleText(&rules[i]))
		if description := oneLine(descriptions[i]); description != "" {
			w.printf(" # %s", description)
		}
		w.printf("\n")
	}
}

// ruleText writes a rule as the keys of a flow mapping.
func ruleText(rule *mirror.Rule) string {
	action := "reject"
	if rule.Accept {
		action = "accept"
	}
	text := fmt.Sprintf("rule: %d, action: %s", rule.Number, action)
	if rule.Protocol.Given {
		text += fmt.Sprintf(", protocol: %s", rule.Protocol)
	}
	if rule.Source.IsValid() {
		text += fmt.Sprintf(", source: %s", quotedNetwork(rule.Source))
	}
	if rule.Destination.IsValid() {
		text += fmt.Sprintf(", destination: %s", quotedNetwork(rule.Destination))
	}
	if rule.SourcePorts.Given {
		text += ", source_ports: " + portsText(rule.SourcePorts)
	}
	if rule.DestinationPorts.Given {
		text += ", destination_ports: " + portsText(rule.DestinationPorts)
	}
	return text
}

// quotedNetwork quotes IPv6: YAML takes a colon at a word's end for a key's.
func quotedNetwork(prefix netip.Prefix) string {
	if prefix.Addr().Is4() {
		return prefix.String()
	}
	return strconv.Quote(prefix.String())
}

func portsText(ports mirror.Ports) string {
	if ports.First == ports.Last {
		return strconv.Itoa(int(ports.First))
	}
	return fmt.Sprintf("%d-%d", ports.First, ports.Last)
}

// oneLine makes text fit for a comment and a name: what cannot be printed is a
// space.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(character rune) rune {
		if !isPrintable(string(character)) {
			return ' '
		}
		return character
	}, text)), " ")
}

// quoted writes a text as a YAML scalar, in quotes unless it is a plain word.
func quoted(text string) string {
	text = oneLine(text)
	for i, character := range text {
		letter := character >= 'a' && character <= 'z' || character >= 'A' && character <= 'Z'
		inner := character >= '0' && character <= '9' || character == '-' || character == '_' || character == '.'
		if !letter && (i == 0 || !inner) {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
		}
	}
	if text == "" || text == "null" {
		return `"` + text + `"`
	}
	return text
}
