package expression

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// FuzzCompile holds that every text is either refused with a place in it, or gives
// rules that a filter may have.
func FuzzCompile(f *testing.F) {
	for _, c := range compilations {
		f.Add(c.text)
	}
	for _, c := range refusals {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := Compile(text)
		if err != nil {
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Column < 1 || refusal.Column > utf8.RuneCountInString(text)+1 {
				t.Fatalf("Compile(%q): %#v", text, err)
			}
			_ = refusal.Error()
			return
		}
		if len(rules) == 0 || len(rules) > abi.LimitRules {
			t.Fatalf("Compile(%q): %d rules", text, len(rules))
		}
		filter := mirror.Filter{Ingress: rules, Egress: rules}
		if err := filter.Check(); err != nil {
			t.Fatalf("Compile(%q): %v", text, err)
		}
		for i := range rules {
			if rules[i].Families == 0 {
				t.Fatalf("Compile(%q): rule %d names no family", text, i+1)
			}
		}
	})
}
