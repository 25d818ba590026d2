package expression

import "fmt"

// maxDepth is how deep parentheses and negations may nest.
const maxDepth = 256

// parser goes once through the tokens of an expression. Its functions are the
// rules of libpcap's grammar (grammar.y), without those of what is refused.
type parser struct {
	text   string
	tokens []token // the ones not yet read; the last is kindEnd
	depth  int
}

// parse returns what a text means that is not blank.
func parse(text string) (node, error) {
	p := &parser{text: text, tokens: scan(text)}
	n, err := p.expression(nil)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != kindEnd {
		return nil, p.unexpected("an operator or the end")
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[0] }

// next returns the token that was peeked at, and goes on to the one after it.
func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != kindEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

// after returns the token so many behind the one that is peeked at.
func (p *parser) after(n int) token { return p.tokens[min(n, len(p.tokens)-1)] }

func (p *parser) refuse(at token, format string, arguments ...any) error {
	return newError(p.text, at.offset, fmt.Sprintf(format, arguments...))
}

// expression reads terms with operators between them. `and` and `or` bind alike,
// from the left. Behind an operator a value can stand without its qualifier, which
// is then the one of the term before. `outer` is the qualifier that a parenthesis
// came with: nil without.
func (p *parser) expression(outer *qualifier) (node, error) {
	n, carried, err := p.term(outer)
	for err == nil && (p.peek().kind == kindAnd || p.peek().kind == kindOr) {
		operator := p.next()
		var operand node
		if p.isValueNext() {
			operand, err = p.value(carried)
		} else {
			operand, carried, err = p.term(carried)
		}
		n = joined(n, operator, operand)
	}
	return n, err
}

// joined returns two nodes with an operator between them, as one junction where
// the left one has the same operator.
func joined(left node, operator token, right node) node {
	decisive := operator.kind == kindOr
	if j, ok := left.(junction); ok && j.decisive == decisive {
		j.operands = append(j.operands, right)
		return j
	}
	return junction{decisive, []node{left, right}, operator.offset}
}

// isValueNext reports whether a value comes, behind any parentheses and negations.
func (p *parser) isValueNext() bool {
	for _, t := range p.tokens {
		if t.kind != kindOpen && t.kind != kindNot {
			return t.isValue()
		}
	}
	return false
}

// term reads a primitive, a negation, or an expression in parentheses, and returns
// the qualifier for the values behind it: nil if they cannot stand there.
func (p *parser) term(outer *qualifier) (node, *qualifier, error) {
	switch p.peek().kind {
	case kindNot:
		var carried *qualifier
		n, err := p.nested(func() (n node, err error) {
			n, carried, err = p.term(outer)
			return negation{n}, err
		})
		return n, carried, err
	case kindOpen:
		n, err := p.nested(func() (node, error) { return p.expression(outer) })
		if err == nil {
			err = p.close()
		}
		return n, outer, err
	case kindWord:
		return p.primitive()
	}
	if p.peek().isValue() {
		return nil, nil, p.refuse(p.peek(), "say what %q is: put host, net, port or the like before it", p.peek().text)
	}
	return nil, nil, p.unexpected("a primitive such as tcp or host 10.0.0.1")
}

// nested reads a parenthesis or a negation, and what inner reads behind it.
func (p *parser) nested(inner func() (node, error)) (node, error) {
	at := p.next()
	if p.depth++; p.depth > maxDepth {
		return nil, p.refuse(at, "more than %d parentheses and negations stand in each other", maxDepth)
	}
	defer func() { p.depth-- }()
	return inner()
}

func (p *parser) close() error {
	if p.peek().kind != kindClose {
		return p.unexpected("an operator or a closing parenthesis")
	}
	p.next()
	return nil
}

// unexpected returns the error of the token that comes where another should.
func (p *parser) unexpected(wanted string) error {
	t := p.peek()
	switch {
	case t.kind == kindEnd:
		return p.refuse(t, "the expression ends where %s should come", wanted)
	case t.kind == kindOther && t.text == "[":
		return p.refuse(t, "a rule cannot ask for bytes of a packet")
	case refused[t.text] != "":
		return p.refuse(t, "%s is not supported: %s", t.text, refused[t.text])
	}
	return p.refuse(t, "%q stands where %s should come", t.text, wanted)
}
