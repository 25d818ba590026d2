// Package expression compiles tcpdump's filter expressions to the numbered rules
// of a mirror.Filter. It knows a part of the language (docs/filters.md) and
// refuses the rest: what it accepts means what it means to libpcap 1.10 on an
// Ethernet interface (pcap-filter(7)).
package expression

import (
	"fmt"
	"strings"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// maxLength is how many bytes an expression may have: several times what
// abi.LimitRules addresses take.
const maxLength = 1 << 20

const takesNothing = "no packet matches this expression"

// Compile returns the rules that take the packets that text takes, numbered from
// 1 and at most abi.LimitRules. What none of them matches is not taken. Of an
// empty text that is one rule that takes everything. An error is an *Error.
func Compile(text string) ([]mirror.Rule, error) {
	if len(text) > maxLength {
		return nil, &Error{Column: 1, Message: fmt.Sprintf("the expression is %d bytes long, of at most %d", len(text), maxLength)}
	}
	rules := []mirror.Rule{accepting(everything)}
	if strings.Trim(text, blanks) != "" {
		node, err := parse(text)
		if err != nil {
			return nil, err
		}
		rules, err = compileRules(text, node)
		if err != nil {
			return nil, err
		}
	}
	for i := range rules {
		rules[i].Number = i + 1
	}
	return rules, nil
}

// Filter returns the filter that has the rules of text in both directions; nil,
// which takes everything, if the text is empty. An error is an *Error.
func Filter(text string) (*mirror.Filter, error) {
	if strings.Trim(text, blanks) == "" {
		return nil, nil
	}
	rules, err := Compile(text)
	if err != nil {
		return nil, err
	}
	return &mirror.Filter{Name: text, Ingress: rules, Egress: rules}, nil
}

// compileRules returns the rules of an expression without the last one, that
// refuses everything, if there is that.
func compileRules(text string, node node) ([]mirror.Rule, error) {
	c := &compiler{text: text}
	rules, err := c.compile(node)
	if err != nil {
		return nil, err
	}
	if !rules[len(rules)-1].Accept {
		rules = rules[:len(rules)-1]
	}
	if len(rules) == 0 {
		return nil, newError(text, 0, takesNothing)
	}
	if len(rules) > abi.LimitRules {
		return nil, newError(text, 0, tooManyRules)
	}
	return rules, nil
}
