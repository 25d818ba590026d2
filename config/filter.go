package config

import (
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/aws"
	"github.com/xdpeel/xdpeel/mirror/expression"
)

// filter is a filter as it is read: one of three ways to write it.
type filter struct {
	ingress, egress *yaml.Node // rules
	expression      *yaml.Node // of tcpdump's language
	aws, id         *yaml.Node // a file, and which filter of it
}

// filterKeys are the keys of a filter.
var filterKeys = []key[filter]{
	{"ingress", func(_ *reader, n *yaml.Node, f *filter) { f.ingress = n }},
	{"egress", func(_ *reader, n *yaml.Node, f *filter) { f.egress = n }},
	{"expression", func(_ *reader, n *yaml.Node, f *filter) { f.expression = n }},
	{"aws", func(_ *reader, n *yaml.Node, f *filter) { f.aws = n }},
	{"id", func(_ *reader, n *yaml.Node, f *filter) { f.id = n }},
}

// readFilters reads all filters. One that is wrong has its name taken all the same,
// so that the sessions that name it are not wrong too.
func (r *reader) readFilters() {
	for _, entry := range r.entries(r.filters, "filter") {
		var form filter
		var made *mirror.Filter
		if readMapping(r, entry.value, "a filter", filterKeys, &form) {
			made = r.readFilter(entry, &form)
		}
		if made != nil {
			made.Name = entry.name
			made = r.share(made)
		}
		r.config.Filters[entry.name] = made
	}
}

func (r *reader) readFilter(e entry, f *filter) *mirror.Filter {
	rules := f.ingress != nil || f.egress != nil
	fromAWS := f.aws != nil || f.id != nil
	switch {
	case f.expression != nil && !rules && !fromAWS:
		return r.readExpression(f.expression)
	case f.aws != nil && f.id != nil && !rules && f.expression == nil:
		return r.readAWSFilter(f.aws, f.id)
	case rules && !fromAWS && f.expression == nil:
		made := new(mirror.Filter)
		if f.ingress != nil {
			made.Ingress = r.readRules(f.ingress, "ingress")
		}
		if f.egress != nil {
			made.Egress = r.readRules(f.egress, "egress")
		}
		return made
	}
	r.complain(e.node, "filter %q: a filter has ingress and egress, or expression, or aws and id", e.name)
	return nil
}

func (r *reader) readExpression(n *yaml.Node) *mirror.Filter {
	text, ok := r.text(n, "expression")
	if !ok {
		return nil
	}
	made, err := expression.Filter(text)
	at := (*expression.Error)(nil)
	switch {
	case errors.As(err, &at):
		place, where := r.within(n, at.Column)
		r.complain(place, "expression: %s%s", at.Message, where)
	case made == nil:
		r.complain(n, "expression is empty")
	}
	return made
}

// within returns the place of a character of a scalar, counted from 1. Where the
// file has the scalar's text otherwise (over several lines, or with escapes), it is
// the scalar's own place, and where says the rest.
func (r *reader) within(n *yaml.Node, character int) (place *yaml.Node, where string) {
	lines := strings.Split(string(r.source), "\n")
	if n.Line <= len(lines) {
		line := []rune(lines[n.Line-1])
		column := n.Column
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			column++
		}
		if column <= len(line) && strings.HasPrefix(string(line[column-1:]), n.Value) {
			return &yaml.Node{Line: n.Line, Column: column + character - 1}, ""
		}
	}
	return n, fmt.Sprintf(", at its character %d", character)
}

// awsFile is what was read of a file of filters.
type awsFile struct {
	filters map[string]aws.Filter
	ids     []string
	failed  bool
}

// readAWSFilter takes one filter out of a file.
func (r *reader) readAWSFilter(path, id *yaml.Node) *mirror.Filter {
	name, ok := r.text(path, "aws")
	wanted, idOK := r.text(id, "id")
	if !ok || !idOK {
		return nil
	}
	file := r.openAWSFile(path, name)
	if file.failed {
		return nil
	}
	found, ok := file.filters[wanted]
	if !ok {
		r.complain(id, "id %q is not in %s; it has %s", wanted, name, candidates(file.ids))
		return nil
	}
	if len(found.Services) > 0 {
		r.note(id, "of %s AWS also mirrors %s, which no rule says: add rules that take it, or it is filtered",
			wanted, strings.Join(found.Services, ", "))
	}
	made := *found.Rules
	return &made
}

// openAWSFile reads a file of filters, once.
func (r *reader) openAWSFile(n *yaml.Node, name string) *awsFile {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(r.file), path)
	}
	if file := r.awsFiles[path]; file != nil {
		return file
	}
	file := &awsFile{filters: make(map[string]aws.Filter)}
	if r.awsFiles == nil {
		r.awsFiles = make(map[string]*awsFile)
	}
	r.awsFiles[path] = file
	r.config.Files = append(r.config.Files, path)
	list, err := readAWSFile(path)
	if err != nil {
		file.failed = true
		for line := range strings.SplitSeq(err.Error(), "\n") {
			r.complain(n, "aws %s: %s", name, line)
		}
	}
	for _, found := range list {
		file.filters[found.ID] = found
		file.ids = append(file.ids, found.ID)
	}
	return file
}

func readAWSFile(path string) ([]aws.Filter, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return aws.ReadFilters(in)
}

// share returns the first filter with the rules of this one: sessions of one filter
// need its tables in the kernel but once.
func (r *reader) share(f *mirror.Filter) *mirror.Filter {
	if r.everyFirst == nil {
		r.everyFirst, r.seed = make(map[uint64][]*mirror.Filter), maphash.MakeSeed()
	}
	var hash maphash.Hash
	hash.SetSeed(r.seed)
	maphash.WriteComparable(&hash, len(f.Ingress))
	for _, rules := range [][]mirror.Rule{f.Ingress, f.Egress} {
		for i := range rules {
			maphash.WriteComparable(&hash, rules[i])
		}
	}
	sum := hash.Sum64()
	for _, first := range r.everyFirst[sum] {
		if slices.Equal(first.Ingress, f.Ingress) && slices.Equal(first.Egress, f.Egress) {
			return first
		}
	}
	r.everyFirst[sum] = append(r.everyFirst[sum], f)
	return f
}

// candidates lists the names that would have been right, the first ten of many.
func candidates(names []string) string {
	const most = 10
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
