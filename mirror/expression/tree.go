package expression

import "github.com/xdpeel/xdpeel/mirror"

// node is a part of an expression that has a meaning: a primitive, a negation or
// a junction.
type node interface{ isNode() }

// primitive takes what any of its boxes matches. They all accept.
type primitive struct{ boxes []mirror.Rule }

// negation takes what its node does not.
type negation struct{ node node }

// junction is operands with the same operator between them.
type junction struct {
	decisive bool // the verdict that one operand can give alone: accept of `or`, reject of `and`
	operands []node
	offset   int // of the first operator, in bytes, in the expression
}

func (primitive) isNode() {}
func (negation) isNode()  {}
func (junction) isNode()  {}
