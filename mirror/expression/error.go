package expression

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error says why an expression was refused, and where.
type Error struct {
	Text    string // the expression
	Column  int    // of the place, in characters of Text, from 1; one more than it has if it ends too soon
	Message string // what is wrong there, and what to write instead if that helps
}

// newError returns the error of the place that is so many bytes into text.
func newError(text string, offset int, message string) *Error {
	return &Error{Text: text, Column: 1 + utf8.RuneCountInString(text[:offset]), Message: message}
}

// Error returns three lines: the message, the expression, and a caret under the
// place. Without an expression it is the message alone.
func (e *Error) Error() string {
	if e.Text == "" {
		return e.Message
	}
	return e.Message + "\n  " + printable(e.Text) + "\n  " + strings.Repeat(" ", e.Column-1) + "^"
}

// printable returns text on one line, a column for each character, without what
// could steer a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(blanks, r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
