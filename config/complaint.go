package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Complaints are all that is wrong with a configuration, in the order of the file.
type Complaints []Complaint

// Complaint is one thing that is wrong.
type Complaint struct {
	File         string
	Line, Column int // from 1, of where it is wrong
	Text         string
}

// Error returns "FILE:LINE:COLUMN: what is wrong", as compilers say it.
func (c Complaint) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", c.File, c.Line, c.Column, c.Text)
}

// Error returns the complaints, one a line.
func (c Complaints) Error() string {
	lines := make([]string, len(c))
	for i := range c {
		lines[i] = c[i].Error()
	}
	return strings.Join(lines, "\n")
}

// sorted returns the complaints as an error, nil if there are none.
func (c Complaints) sorted() error {
	if len(c) == 0 {
		return nil
	}
	slices.SortStableFunc(c, func(a, b Complaint) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(c)
}

func complaintAt(file string, line, column int, format string, args ...any) Complaint {
	return Complaint{file, line, column, fmt.Sprintf(format, args...)}
}
