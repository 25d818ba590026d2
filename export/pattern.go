package export

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// damagedEnd stands behind the name of a file that the disk did not take.
const damagedEnd = ".damaged"

// pattern tells the files that a path with conversions names from all others.
type pattern struct {
	root  string           // the directory that all of them are below
	steps []*regexp.Regexp // of the directories below it, and of the file
}

// timePatterns are what the conversions of strftime come to.
var timePatterns = map[string]string{
	"Y": `\d{4}`, "y": `\d\d`, "m": `\d\d`, "d": `\d\d`, "j": `\d{3}`, "b": `[A-Z][a-z]{2}`, "a": `[A-Z][a-z]{2}`,
	"H": `\d\d`, "M": `\d\d`, "S": `\d\d`, "F": `\d{4}-\d\d-\d\d`, "T": `\d\d:\d\d:\d\d`, "Z": `[A-Z0-9+-]+`, "z": `[+-]\d{4}`,
	"s": `-?\d+`, "%": `%`,
}

// newPattern reads a path. Its error is of a conversion that there is not.
func newPattern(path string) (*pattern, error) {
	p := &pattern{root: "."}
	if strings.HasPrefix(path, "/") {
		p.root = "/"
	}
	steps := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for len(steps) > 1 && !strings.Contains(steps[0], "%") {
		p.root, steps = filepath.Join(p.root, steps[0]), steps[1:]
	}
	for i, step := range steps {
		stem, extension, end := step, "", ""
		if i == len(steps)-1 {
			stem, extension = splitName(step)
			end = `(?:-\d+)*`
		}
		before, err := conversionPattern(stem)
		if err != nil {
			return nil, err
		}
		behind, err := conversionPattern(extension)
		if err != nil {
			return nil, err
		}
		p.steps = append(p.steps, regexp.MustCompile("^"+before+end+behind+"$"))
	}
	return p, nil
}

// conversionPattern returns the regular expression of a text with conversions.
func conversionPattern(text string) (string, error) {
	var expression strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		expression.WriteString(regexp.QuoteMeta(before))
		if !found {
			return expression.String(), nil
		}
		if name, rest, ok := strings.Cut(strings.TrimPrefix(after, "{"), "}"); ok && after[0] == '{' && sessionConversions[name] != nil {
			expression.WriteString(`[^/]+`)
			text = rest
			continue
		}
		if after == "" || timePatterns[after[:1]] == "" {
			_, err := ExpandTime("%"+after, time.Time{})
			if err == nil {
				err = fmt.Errorf("unknown conversion in %q", text)
			}
			return "", err
		}
		expression.WriteString(timePatterns[after[:1]])
		text = after[1:]
	}
}

// isFixed says whether the path names one directory, and so is root.
func (p *pattern) isFixed() bool { return len(p.steps) == 1 }

// named is a file that is there.
type named struct {
	path  string
	info  os.FileInfo
	order int64 // see orderOf
}

// find returns the files that the pattern names with an end behind their names, the
// oldest first. What goes away meanwhile is left out.
func (p *pattern) find(ends ...string) (found []named, err error) {
	err = p.walk(p.root, p.steps, ends, &found)
	slices.SortFunc(found, func(a, b named) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(len(a.path), len(b.path)), cmp.Compare(a.path, b.path))
	})
	return found, err
}

func (p *pattern) walk(directory string, steps []*regexp.Regexp, ends []string, found *[]named) error {
	entries, err := os.ReadDir(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, entry := range entries {
		path := filepath.Join(directory, entry.Name())
		switch {
		case len(steps) > 1 && entry.IsDir() && steps[0].MatchString(entry.Name()):
			errs = append(errs, p.walk(path, steps[1:], ends, found))
		case len(steps) == 1 && entry.Type().IsRegular() && slices.ContainsFunc(ends, func(end string) bool {
			name, ok := strings.CutSuffix(entry.Name(), end)
			return ok && steps[0].MatchString(name)
		}):
			if info, err := entry.Info(); err == nil {
				*found = append(*found, named{path, info, orderOf(path, info)})
			}
		}
	}
	return errors.Join(errs...)
}

// removeEmpty removes the directories of a file that is gone, up to the root, as
// far as nothing is in them.
func (p *pattern) removeEmpty(path string) {
	for directory := filepath.Dir(path); len(directory) > len(p.root); directory = filepath.Dir(directory) {
		if os.Remove(directory) != nil {
			return
		}
	}
}
