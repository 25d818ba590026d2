package expression

import (
	"strings"
	"unicode/utf8"
)

// blanks separate words.
const blanks = " \t\r\n"

// kind is what a token is.
type kind uint8

// The values of kind. A word, a number and so on end where no character of a
// word follows.
const (
	kindEnd     kind = iota
	kindWord         // a keyword, a name, or anything else that looks like one
	kindNumber       // digits
	kindDotted       // two to four numbers with dots between them
	kindIPv6         // has a colon
	kindEscaped      // a name behind a backslash, which keeps it from being a keyword
	kindOpen
	kindClose
	kindSlash
	kindAnd
	kindOr
	kindNot
	kindOther // a character, or two, that begins none of these
)

// token is a piece of an expression.
type token struct {
	kind   kind
	text   string // of kindEscaped without the backslash
	offset int    // in bytes, in the expression
}

// operators have the longest first.
var operators = []struct {
	text string
	kind kind
}{
	{"&&", kindAnd}, {"||", kindOr}, {"!=", kindOther},
	{"!", kindNot}, {"(", kindOpen}, {")", kindClose}, {"/", kindSlash},
}

// scan returns the tokens of text, of which the last is kindEnd.
func scan(text string) []token {
	var tokens []token
	for offset := 0; ; {
		offset += len(text[offset:]) - len(strings.TrimLeft(text[offset:], blanks))
		if offset == len(text) {
			return append(tokens, token{kindEnd, "", offset})
		}
		next, length := scanToken(text[offset:])
		next.offset = offset
		tokens = append(tokens, next)
		offset += length
	}
}

// scanToken returns the token that rest begins with, and how many bytes it takes.
func scanToken(rest string) (token, int) {
	if word := leadingWord(rest); word != "" {
		return token{kind: kindOfWord(word), text: word}, len(word)
	}
	if rest[0] == '\\' {
		name := rest[1:]
		if end := strings.IndexAny(name, " !()\n\t"); end >= 0 { // as libpcap's scanner has it
			name = name[:end]
		}
		return token{kind: kindEscaped, text: name}, 1 + len(name)
	}
	for _, operator := range operators {
		if strings.HasPrefix(rest, operator.text) {
			return token{kind: operator.kind, text: operator.text}, len(operator.text)
		}
	}
	_, size := utf8.DecodeRuneInString(rest)
	return token{kind: kindOther, text: rest[:size]}, size
}

func leadingWord(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || isDigit(r) || strings.ContainsRune("_-.:", r))
	})
	if end < 0 {
		return text
	}
	return text[:end]
}

func kindOfWord(word string) kind {
	switch {
	case word == "and":
		return kindAnd
	case word == "or":
		return kindOr
	case word == "not":
		return kindNot
	case strings.Contains(word, ":"):
		return kindIPv6
	}
	parts := strings.Split(word, ".")
	for _, part := range parts {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool { return !isDigit(r) }) {
			return kindWord
		}
	}
	switch {
	case len(parts) == 1:
		return kindNumber
	case len(parts) <= 4:
		return kindDotted
	}
	return kindWord
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func (t token) isWord(word string) bool { return t.kind == kindWord && t.text == word }

// isValue reports whether a token is what a qualifier such as host is for.
func (t token) isValue() bool {
	switch t.kind {
	case kindNumber, kindDotted, kindIPv6, kindEscaped:
		return true
	case kindWord:
		return !isKeyword(t.text)
	}
	return false
}
