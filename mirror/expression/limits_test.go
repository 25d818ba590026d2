package expression

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// hosts returns n addresses with `or` between them, from the one numbered first.
func hosts(n, first int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("10.%d.%d.%d", (first+i)>>16, (first+i)>>8&255, (first+i)&255)
	}
	return strings.Join(list, " or ")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	sources := func(n, first int) string { return "(src host " + hosts(n, first) + ")" }
	for _, c := range []struct {
		name, text string
		rules      int    // 0: refused
		message    string // of the error
	}{
		{name: "as many rules as may be", text: "src host " + hosts(abi.LimitRules, 0), rules: abi.LimitRules},
		{name: "one more", text: "src host " + hosts(abi.LimitRules+1, 0), message: "which is 10240"},
		{name: "both ends", text: "host " + hosts(abi.LimitRules/2, 0), rules: abi.LimitRules},
		{name: "all but these", text: "not " + sources(abi.LimitRules-1, 0), rules: abi.LimitRules},
		{name: "pairs", text: sources(100, 0) + " and (dst host " + hosts(100, 1000) + ")", rules: 10000},
		{name: "too many pairs", text: sources(100, 0) + " and (dst host " + hosts(103, 1000) + ")", message: "which is 10240"},
		{name: "half of them", text: sources(1000, 0) + " and " + sources(1000, 500), rules: 500},
		{name: "too much work", text: sources(8000, 0) + " and " + sources(8000, 0), message: "too long"},
		{name: "the same again and again", text: strings.Repeat("tcp or ", 10000) + "tcp", rules: 1},
		{name: "deep", text: strings.Repeat("!(", maxDepth/2) + "tcp" + strings.Repeat(")", maxDepth/2), rules: 1},
		{name: "too deep", text: strings.Repeat("(", maxDepth+1) + "tcp", message: "more than 256"},
		{name: "too deep a list", text: "port " + strings.Repeat("(", maxDepth+1) + "80", message: "more than 256"},
		{name: "too long", text: strings.Repeat(" ", maxLength) + "tcp", message: "1048579 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, err := Compile(c.text)
			var refusal *Error
			switch {
			case c.rules > 0 && (err != nil || len(rules) != c.rules):
				t.Errorf("%d rules, error %.100v; want %d rules", len(rules), err, c.rules)
			case c.rules == 0 && (!errors.As(err, &refusal) || !strings.Contains(refusal.Message, c.message)):
				t.Errorf("%d rules, error %.100v; want an error with %q", len(rules), err, c.message)
			}
		})
	}
}
