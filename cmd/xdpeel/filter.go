package main

import (
	"strings"

	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/expression"
)

// filterOf compiles FILTER, the words that follow a verb's flags; none is nil.
func filterOf(words []string) (*mirror.Filter, error) {
	filter, err := expression.Filter(strings.Join(words, " "))
	if err != nil {
		return nil, &usageError{err}
	}
	return filter, nil
}

// takePolicy returns the policy of a judge that has one output: of the VNIs, or of
// all if none is named, it takes what filter takes.
func takePolicy(vnis []uint32, filter *mirror.Filter) (*mirror.Policy, error) {
	policy := mirror.TakeVNIs(vnis)
	for i := range policy.Sessions {
		policy.Sessions[i].Filter = filter
	}
	if err := policy.Check(); err != nil {
		return nil, &usageError{err}
	}
	return policy, nil
}
