package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ruleset is what `nft -j list ruleset` prints (libnftables-json(5)), as far as it
// is about input.
type ruleset struct {
	chains []chain
	rules  map[string][]rule // by chain
}

type chain struct {
	name string // family, table and name
	drop bool   // its policy
}

// rule is one whose every condition is about a port; others may match or not, and
// are taken for ones that do not.
type rule struct {
	protocol string // "": any
	ports    []portSpan
	drop     bool
	accept   bool
}

type portSpan struct{ first, last uint16 }

// parseRuleset reads the chains that see what comes in, and their rules.
func parseRuleset(text []byte) (*ruleset, error) {
	var document struct {
		Nftables []struct {
			Chain *struct{ Family, Table, Name, Hook, Policy string }
			Rule  *struct {
				Family, Table, Chain string
				Expr                 []map[string]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("read ruleset: %w", err)
	}
	r := &ruleset{rules: make(map[string][]rule)}
	for _, object := range document.Nftables {
		if c := object.Chain; c != nil && (c.Hook == "input" || c.Hook == "prerouting" || c.Hook == "ingress") {
			r.chains = append(r.chains, chain{strings.Join([]string{c.Family, c.Table, c.Name}, " "), c.Policy == "drop"})
		}
		if o := object.Rule; o != nil {
			if parsed, ok := parseRule(o.Expr); ok {
				name := strings.Join([]string{o.Family, o.Table, o.Chain}, " ")
				r.rules[name] = append(r.rules[name], parsed)
			}
		}
	}
	return r, nil
}

func parseRule(expressions []map[string]json.RawMessage) (r rule, ok bool) {
	for _, e := range expressions {
		for word, value := range e {
			switch word {
			case "drop", "reject":
				r.drop = true
			case "accept":
				r.accept = true
			case "counter", "log", "limit", "comment":
			case "match":
				if err := r.match(value); err != nil {
					return r, false
				}
			default:
				return r, false
			}
		}
	}
	return r, r.drop || r.accept
}

// errOther is a condition that is not about a port.
var errOther = errors.New("condition is of something else")

// match reads a condition: {"op": "==", "left": {"payload": ...}, "right": PORTS}.
func (r *rule) match(text json.RawMessage) error {
	var m struct {
		Op   string
		Left struct {
			Payload struct{ Protocol, Field string }
			Meta    struct{ Key string }
		}
		Right json.RawMessage
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	payload := m.Left.Payload
	switch {
	case m.Op == "!=":
		return errOther
	case m.Left.Meta.Key == "l4proto", payload.Field == "protocol" || payload.Field == "nexthdr":
		return json.Unmarshal(m.Right, &r.protocol)
	case payload.Field == "dport":
		r.protocol = payload.Protocol
		ports, err := readPorts(m.Right)
		r.ports = ports
		return err
	}
	return errOther
}

// readPorts reads a number, {"range": [a, b]} or {"set": [...]} of them.
func readPorts(text json.RawMessage) (ports []portSpan, err error) {
	var one uint16
	if json.Unmarshal(text, &one) == nil {
		return []portSpan{{one, one}}, nil
	}
	var many struct {
		Range []uint16
		Set   []json.RawMessage
	}
	if err := json.Unmarshal(text, &many); err != nil {
		return nil, err
	}
	if len(many.Range) == 2 {
		ports = append(ports, portSpan{many.Range[0], many.Range[1]})
	}
	for _, element := range many.Set {
		more, err := readPorts(element)
		if err != nil {
			return nil, err
		}
		ports = append(ports, more...)
	}
	return ports, nil
}

func (r rule) matches(protocol string, port uint16) bool {
	if r.protocol != "" && r.protocol != protocol && r.protocol != "th" {
		return false
	}
	inside := func(s portSpan) bool { return s.first <= port && port <= s.last }
	return r.ports == nil || slices.ContainsFunc(r.ports, inside)
}

// drops are the chains that drop what comes to a port.
func (r *ruleset) drops(protocol string, port uint16) (drops []dropRule) {
chains:
	for _, c := range r.chains {
		for _, rule := range r.rules[c.name] {
			switch {
			case !rule.matches(protocol, port):
			case rule.drop:
				drops = append(drops, dropRule{chain: c.name, protocol: protocol, port: port})
				continue chains
			default:
				continue chains
			}
		}
		if c.drop {
			drops = append(drops, dropRule{chain: c.name, protocol: protocol, port: port, policy: true})
		}
	}
	return drops
}
