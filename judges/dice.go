package judges

import "math/rand/v2"

// dice are what the generator throws: the same for the same seed.
type dice struct{ rand.PCG }

// below returns a number from 0 to n-1; n is at most 2^32.
func (d *dice) below(n int) int {
	return int(d.Uint64() >> 32 * uint64(n) >> 32)
}

// between returns a number from low to high.
func (d *dice) between(low, high int) int { return low + d.below(high-low+1) }

// percent says yes n times in a hundred.
func (d *dice) percent(n int) bool { return d.below(100) < n }

func (d *dice) byte() byte { return byte(d.Uint64()) }

// pick returns one of the choices.
func pick[T any](d *dice, choices ...T) T { return choices[d.below(len(choices))] }

// weighted is one way of many to go on, taken as often as its weight says.
type weighted[T any] struct {
	weight int
	value  T
}

// pickWeighted returns one of choices, whose weights add up to 100.
func pickWeighted[T any](d *dice, choices []weighted[T]) T {
	n := d.below(100)
	for _, choice := range choices {
		if n -= choice.weight; n < 0 {
			return choice.value
		}
	}
	return choices[0].value
}
