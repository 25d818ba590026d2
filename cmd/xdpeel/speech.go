package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// The rules of speech: everything xdpeel says goes to stderr and begins with
// "xdpeel: "; lower case, no full stop; an error is followed by a hint where
// there is a remedy. stdout is for what was asked for.

// errDone ends a verb that has done all that was asked, as --help does.
var errDone = errors.New("done")

// usageError is a command line that cannot be understood: exit status 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usageErrorf(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// hintError is an error with a remedy.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// hinted adds a remedy to an error.
func hinted(err error, format string, args ...any) error {
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// hintOf is the remedy of an error, "" without.
func hintOf(err error) string {
	if hint := (*hintError)(nil); errors.As(err, &hint) {
		return hint.hint
	}
	return ""
}

func sayError(w io.Writer, err error) {
	if err == nil || errors.Is(err, errDone) {
		return
	}
	// Several errors that were joined are said one a line.
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(w, "xdpeel: error: %s\n", line)
	}
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(w, "xdpeel: hint: %s\n", hint)
	}
}

func say(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "xdpeel: "+format+"\n", args...)
}

func exitStatus(err error) int {
	switch {
	case err == nil, errors.Is(err, errDone):
		return 0
	case errors.As(err, new(*usageError)):
		return 2
	default:
		return 1
	}
}
