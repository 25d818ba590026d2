package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRelay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, serial, stdout string
		code                 int
		verdict              bool
	}{
		{"zero", "hello\n@@guest-verdict:0\n", "hello\n", 0, true},
		{"not zero", "@@guest-verdict:7\n", "", 7, true},
		{"behind an unfinished line", "hello@@guest-verdict:143\n", "hello", 143, true},
		{"carriage return", "@@guest-verdict:3\r\n", "", 3, true},
		{"nothing", "", "", 0, false},
		{"output only", "one\ntwo", "one\ntwo", 0, false},
		{"torn", "one\n@@guest-verdict:", "one\n", 0, false},
		{"no number", "@@guest-verdict:x\n", "", 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout bytes.Buffer
			code, verdict := relay(strings.NewReader(test.serial), &stdout)
			if code != test.code || verdict != test.verdict || stdout.String() != test.stdout {
				t.Errorf("code %d, verdict %v, output %q; want %d, %v, %q",
					code, verdict, stdout.String(), test.code, test.verdict, test.stdout)
			}
		})
	}
}

func TestVerdictReachesRelay(t *testing.T) {
	t.Parallel()
	var serial, stdout bytes.Buffer
	if err := writeVerdict(&serial, 42); err != nil {
		t.Fatal(err)
	}
	if code, verdict := relay(&serial, &stdout); code != 42 || !verdict || stdout.Len() > 0 {
		t.Errorf("code %d, verdict %v, output %q", code, verdict, stdout.String())
	}
}
