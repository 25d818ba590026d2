package judges

import (
	"fmt"

	"github.com/xdpeel/xdpeel/mirror"
)

// book is what several sequences have in common, since it takes long to make: who
// takes part, what the programs are loaded with, and policies about them.
type book struct {
	number   uint64
	options  mirror.Options
	cast     *cast
	policies *policies
}

// newBook returns the book of a number and a seed, always the same, with so many
// policies.
func newBook(seed, number uint64, policies int) *book {
	d := &dice{}
	d.Seed(seed, ^number) // no sequence has this number
	b := &book{number: number, options: settings[d.below(len(settings))], cast: newCast(d)}
	maker := policyMaker{dice: d, cast: b.cast}
	list := []*mirror.Policy{mirror.TakeAll()}
	for len(list) < policies {
		list = append(list, maker.policy())
	}
	var err error
	if b.policies, err = newPolicies(list...); err != nil {
		panic(fmt.Sprintf("policies of book %d, seed %d: %v", number, seed, err)) // the generator's fault
	}
	return b
}

// fuzzPolicies are those that the fuzzer's inputs choose among.
func fuzzPolicies() *policies { return fuzzBook().policies }

func fuzzBook() *book { return newBook(0, 0, maxPolicies) }
