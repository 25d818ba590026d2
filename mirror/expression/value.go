package expression

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/xdpeel/xdpeel/mirror"
)

// value reads what a qualifier is for: one value, the negation of one, or a list
// of values in parentheses.
func (p *parser) value(q *qualifier) (node, error) {
	switch p.peek().kind {
	case kindNot:
		return p.nested(func() (node, error) {
			n, err := p.value(q)
			return negation{n}, err
		})
	case kindOpen:
		return p.nested(func() (node, error) { return p.values(q) })
	}
	return p.single(q)
}

// values reads a list of values up to its closing parenthesis. It cannot begin with
// a list: to libpcap only a number may stand in more parentheses than one.
func (p *parser) values(q *qualifier) (node, error) {
	var n node
	var err error
	if p.peek().kind == kindOpen {
		n, err = p.nested(func() (node, error) { return p.enclosedNumber(q) })
	} else {
		n, err = p.value(q)
	}
	for err == nil && (p.peek().kind == kindAnd || p.peek().kind == kindOr) {
		operator := p.next()
		var operand node
		operand, err = p.value(q)
		n = joined(n, operator, operand)
	}
	if err == nil {
		err = p.close()
	}
	return n, err
}

// enclosedNumber reads a number and its closing parenthesis.
func (p *parser) enclosedNumber(q *qualifier) (n node, err error) {
	switch p.peek().kind {
	case kindOpen:
		n, err = p.nested(func() (node, error) { return p.enclosedNumber(q) })
	case kindNumber:
		n, err = p.single(q)
	default:
		return nil, p.refuse(p.peek(), "a list of values cannot begin with a list: leave out the inner parentheses")
	}
	if err == nil {
		err = p.close()
	}
	return n, err
}

// single reads one value.
func (p *parser) single(q *qualifier) (node, error) {
	t := p.peek()
	if q == nil {
		return nil, p.refuse(t, "say what %q is: nothing before it carries over", t.text)
	}
	if known, ok := escapedProtocols[t.text]; ok && q.subject == subjectProtocol && t.kind == kindWord {
		return nil, p.refuse(t, "%s is a keyword: write \\%s or %d", t.text, t.text, known)
	}
	if !t.isValue() {
		return nil, p.unexpected(wantedBy[q.subject])
	}
	p.next()
	switch q.subject {
	case subjectHost:
		return p.host(q, t)
	case subjectNet:
		return p.network(q, t)
	case subjectPort:
		return p.port(q, t)
	case subjectPortRange:
		return p.portRange(q, t)
	}
	return p.protocolNumber(q, t)
}

var wantedBy = map[subject]string{
	subjectHost: "an address", subjectNet: "a network", subjectPort: "a port number",
	subjectPortRange: "a port range such as 80-90", subjectProtocol: "a protocol number",
}

// number returns the value of a token of kindNumber, or of a part of one. To
// tcpdump a leading 0 means octal in some places, so it is refused in all.
func (p *parser) number(t token, limit uint64) (uint64, error) {
	if len(t.text) > 1 && t.text[0] == '0' {
		return 0, p.refuse(t, "%q is not a decimal number: write it without the leading 0", t.text)
	}
	n, err := strconv.ParseUint(t.text, 10, 64)
	if err != nil || n > limit {
		return 0, p.refuse(t, "%s is too large: at most %d", t.text, limit)
	}
	return n, nil
}

func (p *parser) port(q *qualifier, t token) (node, error) {
	switch {
	case t.kind == kindWord && strings.Contains(t.text, "-"):
		return nil, p.refuse(t, "%q is not a port number: ranges are for portrange", t.text)
	case t.kind != kindNumber:
		return nil, p.refuse(t, "%q is not a port number; names are not looked up", t.text)
	}
	n, err := p.number(t, math.MaxUint16)
	return q.ports(mirror.Ports{First: uint16(n), Last: uint16(n), Given: true}), err
}

func (p *parser) portRange(q *qualifier, t token) (node, error) {
	if t.kind == kindNumber {
		return p.port(q, t)
	}
	first, last, ok := strings.Cut(t.text, "-")
	if !ok || kindOfWord(first) != kindNumber || kindOfWord(last) != kindNumber {
		return nil, p.refuse(t, "%q is not a port range such as 80-90; names are not looked up", t.text)
	}
	low, err := p.number(token{text: first, offset: t.offset}, math.MaxUint16)
	if err != nil {
		return nil, err
	}
	high, err := p.number(token{text: last, offset: t.offset + len(first) + 1}, math.MaxUint16)
	if err != nil {
		return nil, err
	}
	return q.ports(mirror.Ports{First: uint16(min(low, high)), Last: uint16(max(low, high)), Given: true}), nil
}

// extensions are what the headers of IPv6 are that a rule never sees as its
// protocol, since it looks behind them.
var extensions = []uint64{0, 43, 44, 60}

func (p *parser) protocolNumber(q *qualifier, t token) (node, error) {
	n, err := p.readProtocol(t)
	if err != nil {
		return nil, err
	}
	box := mirror.Rule{Families: withProtocol & q.protocol.families, Protocol: number(uint8(n))}
	if box.Families&ipv6Addresses != 0 && slices.Contains(extensions, n) {
		return nil, p.refuse(t, "a rule looks behind the extension header %d of IPv6, and cannot ask for it: write ip proto %d if IPv4 is meant", n, n)
	}
	return primitive{[]mirror.Rule{accepting(box)}}, nil
}

func (p *parser) readProtocol(t token) (uint64, error) {
	switch known, ok := escapedProtocols[t.text]; {
	case t.kind == kindNumber:
		return p.number(t, math.MaxUint8)
	case t.kind == kindEscaped && ok:
		return uint64(known), nil
	}
	return 0, p.refuse(t, "%q is not a protocol number; names are not looked up", t.text)
}

func (p *parser) host(q *qualifier, t token) (node, error) {
	if p.peek().kind == kindSlash {
		return nil, p.refuse(p.peek(), "a host has no prefix length: write net")
	}
	if t.kind != kindDotted && t.kind != kindIPv6 {
		return nil, p.refuse(t, "%q is not an IP address; names are not looked up", t.text)
	}
	address, err := netip.ParseAddr(t.text)
	if err != nil {
		return nil, p.refuse(t, "%q is not an IP address; a part of one is for net", t.text)
	}
	if err := p.fits(q, t, address); err != nil {
		return nil, err
	}
	return q.addresses(netip.PrefixFrom(address, address.BitLen())), nil
}

// fits returns the error of an address of the version that q's keyword excludes.
func (p *parser) fits(q *qualifier, t token, address netip.Addr) error {
	families := ipv4Addresses
	if address.Is6() {
		families = ipv6Addresses
	}
	if families&q.protocol.families == 0 {
		return p.refuse(t, "%s has no addresses such as %s", q.keyword, t.text)
	}
	return nil
}
