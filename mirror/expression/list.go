package expression

import (
	"fmt"
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// list decides about packets as a filter does: the first rule that matches one
// gives the verdict. The last rule matches everything.
type list []mirror.Rule

// What compiling an expression may cost before it is refused: a second or two.
const (
	maxWork    = 1 << 25 // pairs of rules compared; abi.LimitRules addresses take a twentieth of it
	workOfCopy = 16      // what to copy a rule costs, in pairs of rules compared
)

var tooManyRules = fmt.Sprintf("the expression needs more rules than a filter may have, which is %d", abi.LimitRules)

const tooMuchWork = "the expression takes too long to turn into rules: too many of its parts overlap"

// compiler turns the nodes of one expression into lists.
type compiler struct {
	text string
	work int // so far
}

func (c *compiler) compile(n node) (list, error) {
	switch n := n.(type) {
	case primitive:
		return append(slices.Clone(n.boxes), everything), nil
	case negation:
		inner, err := c.compile(n.node)
		for i := range inner {
			inner[i].Accept = !inner[i].Accept
		}
		return inner, err
	case junction:
		return c.join(n)
	}
	panic(fmt.Sprintf("compile node: no such node: %T", n))
}

// join halves the operands, since to combine them one by one would copy a long
// list again and again.
func (c *compiler) join(j junction) (list, error) {
	if len(j.operands) == 1 {
		return c.compile(j.operands[0])
	}
	half := len(j.operands) / 2
	left, err := c.join(junction{j.decisive, j.operands[:half], j.offset})
	if err != nil {
		return nil, err
	}
	right, err := c.join(junction{j.decisive, j.operands[half:], j.offset})
	if err != nil {
		return nil, err
	}
	if combinedLength(right, left, j.decisive) < combinedLength(left, right, j.decisive) {
		left, right = right, left
	}
	combined := c.combine(left, right, j.decisive)
	if reason := c.giveUp(combined); reason != "" {
		return nil, newError(c.text, j.offset, reason)
	}
	return combined, nil
}

// combinedLength returns how long combine's list is at most.
func combinedLength(left, right list, decisive bool) int {
	length := 0
	for i := range left {
		if left[i].Accept == decisive {
			length++
		} else {
			length += len(right)
		}
	}
	return length
}

// combine returns the list for two operands of `and`, to which reject is decisive,
// or of `or`, to which accept is: a packet that one operand gives that verdict gets
// it. It gives up once the list is too long or the work too much.
func (c *compiler) combine(left, right list, decisive bool) list {
	combined := newDraft()
	for i := range left {
		if left[i].Accept == decisive {
			combined.add(&left[i])
			c.work += workOfCopy
			continue
		}
		narrowing := right
		// What the right operand decides by its last rule needs no rule here either: no
		// later rule but the last can match it with the other verdict.
		if right[len(right)-1].Accept == decisive && i < len(left)-1 {
			narrowing = right[:len(right)-1]
		}
		for j := range narrowing {
			if box, ok := intersect(&left[i], &narrowing[j]); ok && !combined.isCovered(&box, &c.work) {
				combined.add(&box)
			}
		}
		c.work += len(narrowing)
		if c.giveUp(combined.rules) != "" {
			return combined.rules
		}
	}
	return c.withoutIdle(combined.rules)
}

// giveUp returns why a list is refused; empty if it is not.
func (c *compiler) giveUp(rules list) string {
	switch {
	case len(rules)-1 > abi.LimitRules:
		return tooManyRules
	case c.work > maxWork:
		return tooMuchWork
	}
	return ""
}

// withoutIdle leaves out the rules that give the last rule's verdict to packets
// that no rule between would give another.
func (c *compiler) withoutIdle(rules list) list {
	last := len(rules) - 1
	kept := last // rules[kept:] are
	for i := last - 1; i >= 0; i-- {
		if rules[i].Accept == rules[last].Accept && !c.isContradicted(&rules[i], rules[kept:]) {
			continue
		}
		kept--
		rules[kept] = rules[i]
	}
	return rules[kept:]
}

// isContradicted reports whether one of the rules gives a packet that box matches
// another verdict than box does.
func (c *compiler) isContradicted(box *mirror.Rule, rules list) bool {
	c.work += len(rules)
	for i := range rules {
		if rules[i].Accept == box.Accept {
			continue
		}
		if _, ok := intersect(box, &rules[i]); ok {
			return true
		}
	}
	return false
}
