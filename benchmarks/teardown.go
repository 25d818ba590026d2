package main

import "errors"

// teardown takes down what was set up, in the reverse order. The zero value has nothing
// to do.
type teardown []func() error

// then has one thing more taken down, before all the others.
func (t *teardown) then(closer func() error) { *t = append(*t, closer) }

// Close takes everything down, once.
func (t *teardown) Close() error {
	var errs []error
	for i := len(*t) - 1; i >= 0; i-- {
		errs = append(errs, (*t)[i]())
	}
	*t = nil
	return errors.Join(errs...)
}
