// Testreport reads what `go test -json` prints and says it in short: a line a
// package, all that a failed test said, and every test that was skipped, with its
// reason, since what was left out must not pass for passed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
)

// event is one line of test2json's output.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
}

type test struct{ pkg, name string }

// report is what is known of the tests so far.
type report struct {
	output  map[test][]string
	passed  map[string]int // tests by package
	skipped []test
	failed  bool
}

func main() {
	r := &report{output: make(map[test][]string), passed: make(map[string]int)}
	if err := r.read(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
	r.summarise(os.Stdout)
	if r.failed {
		os.Exit(1)
	}
}

func (r *report) read(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text()) // a build error, say
			continue
		}
		r.take(e, out)
	}
	return lines.Err()
}

func (r *report) take(e event, out io.Writer) {
	key := test{e.Package, e.Test}
	switch e.Action {
	case "output", "build-output":
		r.output[key] = append(r.output[key], e.Output)
	case "pass":
		if e.Test != "" {
			r.passed[e.Package]++
			delete(r.output, key)
			return
		}
		fmt.Fprintf(out, "ok    %-50s %4d tests %7.1f s\n", e.Package, r.passed[e.Package], e.Elapsed)
	case "skip":
		if e.Test != "" {
			r.skipped = append(r.skipped, key)
		}
	case "fail", "build-fail":
		r.failed = true
		fmt.Fprintf(out, "FAIL  %s %s\n%s", e.Package, e.Test, strings.Join(r.output[key], ""))
	}
}

// summarise lists the skipped tests with the reason each gave, and counts all.
func (r *report) summarise(out io.Writer) {
	slices.SortFunc(r.skipped, func(a, b test) int { return strings.Compare(a.pkg+a.name, b.pkg+b.name) })
	for _, key := range r.skipped {
		fmt.Fprintf(out, "skip  %s %s: %s\n", key.pkg, key.name, reason(r.output[key]))
	}
	total := 0
	for _, n := range r.passed {
		total += n
	}
	fmt.Fprintf(out, "\n%d tests passed, %d skipped\n", total, len(r.skipped))
}

// reason finds what a skipped test said last, "file_test.go:12: needs root": before
// that it may have logged.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		if _, said, ok := strings.Cut(line, "_test.go:"); ok {
			_, said, _ = strings.Cut(said, ": ")
			return strings.TrimSpace(said)
		}
	}
	return "no reason given"
}
