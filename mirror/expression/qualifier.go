package expression

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/mirror"
)

// qualifier says what a value is: of `tcp src port 80` all but the 80.
type qualifier struct {
	keyword  string // tcp and the like; empty: none
	protocol protocol
	ends     ends
	subject  subject
}

// ends says which end of a packet has the address or port.
type ends uint8

// The values of ends.
const (
	endsAny ends = iota // the one or the other
	endsSource
	endsDestination
	endsBoth
)

// primitive reads a keyword that stands for itself, or a qualifier and its value.
func (p *parser) primitive() (node, *qualifier, error) {
	q := &qualifier{protocol: anyProtocol}
	first := p.peek()
	if known, ok := protocols[first.text]; ok {
		p.next()
		q.keyword, q.protocol = first.text, known
		if !isQualifier(p.peek()) {
			return alone(known), nil, p.aloneError()
		}
	} else if !isQualifier(first) {
		return nil, nil, p.notPrimitive()
	}
	if err := p.qualifier(q); err != nil {
		return nil, nil, err
	}
	n, err := p.value(q)
	return n, q, err
}

// alone returns what a protocol's keyword takes by itself.
func alone(p protocol) node {
	box := mirror.Rule{Families: p.families, Protocol: p.number}
	return primitive{[]mirror.Rule{accepting(box)}}
}

// aloneError returns the error of what cannot come behind a protocol's keyword.
func (p *parser) aloneError() error {
	t := p.peek()
	switch {
	case t.kind == kindOther || t.kind == kindWord && refused[t.text] != "":
		return p.unexpected("an operator or the end")
	case t.isValue():
		return p.refuse(t, "say what %q is: put host, net, port or the like before it", t.text)
	}
	return nil
}

// notPrimitive returns the error of a word that no primitive begins with.
func (p *parser) notPrimitive() error {
	t := p.peek()
	if t.isValue() {
		return p.refuse(t, "%q is no primitive: they begin with host, net, port, portrange, proto, src, dst, or a protocol such as ip6 or tcp", t.text)
	}
	return p.unexpected("a primitive such as tcp or host 10.0.0.1")
}

func isQualifier(t token) bool {
	_, ok := subjects[t.text]
	return t.kind == kindWord && ok || t.isWord("src") || t.isWord("dst")
}

// qualifier reads the ends and the subject into q, of which at least one is there.
func (p *parser) qualifier(q *qualifier) error {
	if q.protocol.subjects == 0 {
		return p.refuse(p.peek(), "%s cannot stand behind %s", p.peek().text, q.keyword)
	}
	hasEnds := p.ends(q)
	t := p.peek()
	wanted, ok := subjects[t.text]
	switch {
	case ok && t.kind == kindWord:
		p.next()
	case q.protocol.subjects&subjectHost == 0:
		return p.unexpected("port or portrange")
	default:
		wanted = subjectHost // `src 10.0.0.1`
	}
	if wanted == subjectProtocol && hasEnds {
		return p.refuse(t, "a protocol has no source and destination: write proto without them")
	}
	if q.protocol.subjects&wanted == 0 {
		return p.refuse(t, "%s cannot stand behind %s", t.text, q.keyword)
	}
	q.subject = wanted
	return nil
}

// ends reads src, dst, or both with `or` or `and` between them; false if they are
// not there.
func (p *parser) ends(q *qualifier) bool {
	first, operator, second := p.peek(), p.after(1), p.after(2)
	switch {
	case first.isWord("src"):
		q.ends = endsSource
	case first.isWord("dst"):
		q.ends = endsDestination
	default:
		return false
	}
	p.next()
	if !(first.isWord("src") && second.isWord("dst")) && !(first.isWord("dst") && second.isWord("src")) {
		return true
	}
	switch operator.kind {
	case kindOr:
		q.ends = endsAny
	case kindAnd:
		q.ends = endsBoth
	default:
		return true
	}
	p.next()
	p.next()
	return true
}

// addresses returns what takes the packets with an address in a network.
func (q *qualifier) addresses(network netip.Prefix) node {
	families := ipv4Addresses
	if network.Addr().Is6() {
		families = ipv6Addresses
	}
	box := accepting(mirror.Rule{Families: families & q.protocol.families})
	source, destination := box, box
	source.Source, destination.Destination = network, network
	return q.atEnds(source, destination)
}

// ports returns what takes the packets with a port in a range.
func (q *qualifier) ports(ports mirror.Ports) node {
	box := accepting(mirror.Rule{Families: withPorts, Protocol: q.protocol.number})
	source, destination := box, box
	source.SourcePorts, destination.DestinationPorts = ports, ports
	return q.atEnds(source, destination)
}

// atEnds returns what takes the packets that have what is wanted at the wanted
// ends, of boxes that want it at their source and their destination.
func (q *qualifier) atEnds(source, destination mirror.Rule) node {
	switch q.ends {
	case endsSource:
		return primitive{[]mirror.Rule{source}}
	case endsDestination:
		return primitive{[]mirror.Rule{destination}}
	case endsBoth:
		both, _ := intersect(&source, &destination)
		return primitive{[]mirror.Rule{both}}
	}
	return primitive{[]mirror.Rule{source, destination}}
}
