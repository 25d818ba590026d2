package main

import (
	"strings"
	"testing"
)

func TestParseOptions(t *testing.T) {
	t.Parallel()
	names := func(o *options) (names string) {
		for _, p := range o.parts {
			names += p.name + " "
		}
		return strings.TrimSpace(names)
	}
	all := strings.Join(partNames(), " ")
	tests := []struct {
		args                string
		parts, json, report string
	}{
		{"", all, "", "benchmarks/report"},
		{"--quick --json -", all, "-", ""},
		{"--quick --json out.json --report r", all, "out.json", "r"},
		{"--only reload,filter", "filter reload", "-", ""},
		{"--only filter --report r", "filter", "", "r"},
		{"--only filter --quick --json x", "filter", "x", ""},
	}
	for _, test := range tests {
		o, err := parse(strings.Fields(test.args))
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		if names(o) != test.parts || o.json != test.json || o.report != test.report {
			t.Errorf("%s: parts %s, json %q, report %q", test.args, names(o), o.json, o.report)
		}
	}
	if _, err := parse([]string{"--only", "nothing"}); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("a part that there is not: %v", err)
	}
}
