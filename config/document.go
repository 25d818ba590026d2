package config

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/mirror"
)

// reader reads one configuration: from the tree of nodes that the YAML library
// makes, since a library that fills structs by itself hides all but the first
// mistake.
type reader struct {
	file       string
	source     []byte
	slots      map[string]int // of the outputs before
	config     *Config
	complaints Complaints

	// These three are read when all of the file is known: sessions name filters and
	// outputs, wherever they stand.
	sessions, filters, outputs *yaml.Node

	slotOf     map[string]int              // of the outputs, by name
	awsFiles   map[string]*awsFile         // by path
	everyFirst map[uint64][]*mirror.Filter // of equal filters the first, by their hash
	seed       maphash.Seed
}

func (r *reader) complain(n *yaml.Node, format string, args ...any) {
	r.complaints = append(r.complaints, complaintAt(r.file, n.Line, n.Column, format, args...))
}

// note says something of a place that is no mistake.
func (r *reader) note(n *yaml.Node, format string, args ...any) {
	r.config.Notes = append(r.config.Notes, complaintAt(r.file, n.Line, n.Column, format, args...).Error())
}

// readDocument reads the text. What is not YAML is the only complaint of its file.
func (r *reader) readDocument(text []byte) {
	r.source = text
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		panic(err) // no option was given that could be wrong
	}
	var document, second yaml.Node
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF): // nothing but comments
		document.Content = []*yaml.Node{{Kind: yaml.MappingNode, Line: 1, Column: 1}}
	case err != nil:
		r.complainSyntax(err)
		return
	}
	if err := loader.Load(&second); err == nil {
		r.complain(&second, "a second document begins here; a configuration is one")
	} else if !errors.Is(err, io.EOF) {
		r.complainSyntax(err)
		return
	}
	r.readConfig(document.Content[0])
}

func (r *reader) complainSyntax(err error) {
	line, column, text := 1, 1, err.Error()
	if at := (*yaml.LoadError)(nil); errors.As(err, &at) {
		line, column, text = max(at.Mark.Line, 1), max(at.Mark.Column, 1), at.Message
	}
	r.complaints = append(r.complaints, complaintAt(r.file, line, column, "not YAML: %s", text))
}

// key is one key of a mapping, and how its value is read into a T.
type key[T any] struct {
	name string
	read func(r *reader, value *yaml.Node, into *T)
}

// readMapping reads a mapping that has some of the keys. what is what it is, as "a
// session". It returns false if the value is no mapping at all.
func readMapping[T any](r *reader, n *yaml.Node, what string, keys []key[T], into *T) bool {
	n = r.resolve(n)
	if n.Kind != yaml.MappingNode {
		r.complain(n, "%s is a mapping of the keys %s", what, names(keys))
		return false
	}
	var lines [maxKeys]int // where each key stands, from 1
pairs:
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Kind != yaml.ScalarNode {
			r.complain(name, "a key is a word, not a list, a mapping or an alias")
			continue
		}
		for k := range keys {
			if keys[k].name != name.Value {
				continue
			}
			if lines[k] != 0 {
				r.complain(name, "key %q is there twice, first in line %d", name.Value, lines[k])
			} else {
				lines[k] = name.Line
				keys[k].read(r, r.resolve(value), into)
			}
			continue pairs
		}
		r.complain(name, "unknown key %q; %s has %s", name.Value, what, names(keys))
	}
	return true
}

// maxKeys is how many keys the largest mapping may have.
const maxKeys = 32

func names[T any](keys []key[T]) string {
	words := make([]string, len(keys))
	for i := range keys {
		words[i] = keys[i].name
	}
	return strings.Join(words, ", ")
}

// resolve follows an alias to its anchor, and refuses tags.
func (r *reader) resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.complain(n, "tag %s: tags are not used here", n.Tag)
	}
	return n
}

// isNothing tells the value of a key that stands there without one.
func isNothing(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style == 0 && (n.Value == "" || n.Value == "~" || n.Value == "null")
}

// list returns the elements of a list, none of a key without a value.
func (r *reader) list(n *yaml.Node, name, example string) []*yaml.Node {
	if isNothing(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.complain(n, "%s is a list, as in %s", name, example)
		return nil
	}
	return n.Content
}

// firstLines are the lines, from 1, where values stand that may be there but once.
type firstLines[V comparable] map[V]int

// note notes a value's place, and returns the line where it stood before, 0 if nowhere.
func (l firstLines[V]) note(value V, at *yaml.Node) (before int) {
	if before = l[value]; before == 0 {
		l[value] = at.Line
	}
	return before
}

// entry is a name with what it stands for.
type entry struct {
	name        string
	node, value *yaml.Node
}

// entries returns what the user has named in a mapping, in the file's order; none
// of a key without a value. what is what they are, as "a filter".
func (r *reader) entries(n *yaml.Node, what string) []entry {
	if n == nil || isNothing(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.complain(n, "%ss is a mapping of names to %ss", what, what)
		return nil
	}
	var entries []entry
	lines := make(firstLines[string])
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		text, ok := r.text(r.resolve(name), "the name of the "+what)
		if !ok {
			continue
		}
		if first := lines.note(text, name); first != 0 {
			r.complain(name, "%s %q is there twice, first in line %d", what, text, first)
			continue
		}
		entries = append(entries, entry{text, name, r.resolve(value)})
	}
	return entries
}

// text returns the text of a scalar, and false after a complaint. name is the key's.
func (r *reader) text(n *yaml.Node, name string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.complain(n, "%s is one value, not a list or a mapping", name)
	case isNothing(n) || n.Value == "":
		r.complain(n, "%s is empty", name)
	default:
		return n.Value, true
	}
	return "", false
}
