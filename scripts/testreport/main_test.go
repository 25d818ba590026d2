package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What `go test -json` prints of one package that passes, with a test that logs before
// it skips itself, and of one with a test that fails.
const events = `
{"Action":"run","Package":"a","Test":"TestGood"}
{"Action":"output","Package":"a","Test":"TestGood","Output":"    good_test.go:7: said\n"}
{"Action":"pass","Package":"a","Test":"TestGood","Elapsed":0.1}
{"Action":"output","Package":"a","Test":"TestLeftOut","Output":"=== RUN   TestLeftOut\n"}
{"Action":"output","Package":"a","Test":"TestLeftOut","Output":"    left_test.go:4: version 7: found\n"}
{"Action":"output","Package":"a","Test":"TestLeftOut","Output":"    left_test.go:5: needs root: loads a program\n"}
{"Action":"output","Package":"a","Test":"TestLeftOut","Output":"--- SKIP: TestLeftOut (0.00s)\n"}
{"Action":"skip","Package":"a","Test":"TestLeftOut","Elapsed":0}
{"Action":"pass","Package":"a","Elapsed":0.2}
{"Action":"output","Package":"b","Test":"TestBad","Output":"    bad_test.go:9: 1 packet, want 2\n"}
{"Action":"fail","Package":"b","Test":"TestBad","Elapsed":0.1}
{"Action":"fail","Package":"b","Elapsed":0.3}
`

func TestReport(t *testing.T) {
	t.Parallel()
	r := &report{output: make(map[test][]string), passed: make(map[string]int)}
	var out strings.Builder
	if err := r.read(strings.NewReader(strings.TrimSpace(events)), &out); err != nil {
		t.Fatal(err)
	}
	r.summarise(&out)
	want := `ok    a                                                     1 tests     0.2 s
FAIL  b TestBad
    bad_test.go:9: 1 packet, want 2
FAIL  b 
skip  a TestLeftOut: needs root: loads a program

1 tests passed, 1 skipped
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if !r.failed {
		t.Error("the report of a failed test does not count as failed")
	}
}
