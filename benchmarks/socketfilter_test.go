package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestParseInstructions(t *testing.T) {
	t.Parallel()
	got, err := parseInstructions([]byte("2\n40 0 0 12\n6 0 0 262144\n"))
	want := []unix.SockFilter{{Code: 40, K: 12}, {Code: 6, K: 262_144}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
	for _, bad := range []string{"", "0\n", "1\n40 0 0\n", "1\nx\n"} {
		if got, err := parseInstructions([]byte(bad)); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}
