package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// manyRules is a configuration with so many rules in one direction of one filter,
// in the order of their numbers from 1.
func manyRules(n int) []byte {
	var text bytes.Buffer
	text.WriteString("sessions: [{vni: any, filter: large}]\nfilters:\n  large:\n    ingress:\n")
	for i := range n {
		fmt.Fprintf(&text, "      - {rule: %d, action: accept, protocol: tcp, source: 10.%d.%d.0/24, destination: 10.0.0.0/24, destination_ports: %d}\n",
			i+1, i/250, i%250, i)
	}
	return text.Bytes()
}

// manyAWSRules is a file of one filter with so many rules, with all that AWS prints
// of one.
func manyAWSRules(n int) []byte {
	var text bytes.Buffer
	text.WriteString(`{"TrafficMirrorFilters":[{"TrafficMirrorFilterId":"tmf-1","EgressFilterRules":[],"IngressFilterRules":[`)
	for i := range n {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"TrafficMirrorFilterRuleId":"tmfr-%017x","TrafficMirrorFilterId":"tmf-1","TrafficDirection":"ingress",`+
			`"RuleNumber":%d,"RuleAction":"accept","Protocol":6,"DestinationPortRange":{"FromPort":%d,"ToPort":%d},`+
			`"SourcePortRange":{"FromPort":0,"ToPort":65535},"DestinationCidrBlock":"10.0.0.0/24","SourceCidrBlock":"10.%d.%d.0/24"}`,
			i, i+1, i, i, i/250, i%250)
	}
	text.WriteString("]}]}\n")
	return text.Bytes()
}

// As many rules as there can be are read, from YAML and from AWS's JSON alike, and
// one more is refused.
func TestManyRules(t *testing.T) {
	t.Parallel()
	fromYAML, err := Parse("f", manyRules(abi.LimitRules), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(fromYAML.Filters["large"].Ingress); n != abi.LimitRules {
		t.Errorf("%d rules, want %d", n, abi.LimitRules)
	}
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "filters.json"), manyAWSRules(abi.LimitRules), 0o644); err != nil {
		t.Fatal(err)
	}
	text := []byte("filters:\n  large: {aws: filters.json, id: tmf-1}\n")
	fromAWS, err := Parse(filepath.Join(directory, "f"), text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, rule := range fromAWS.Filters["large"].Ingress {
		if rule != fromYAML.Filters["large"].Ingress[i] {
			t.Fatalf("rule %d: %+v from AWS, %+v from YAML", i, rule, fromYAML.Filters["large"].Ingress[i])
		}
	}
	_, err = Parse("f", manyRules(abi.LimitRules+1), nil)
	if want := "f:5:7: ingress has 10241 rules; a direction has at most 10240"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// What a reload costs before the kernel hears of it.
func BenchmarkYAML(b *testing.B) {
	text := manyRules(10_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse("f", text, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAWS(b *testing.B) {
	directory := b.TempDir()
	json := manyAWSRules(10_000)
	if err := os.WriteFile(filepath.Join(directory, "filters.json"), json, 0o644); err != nil {
		b.Fatal(err)
	}
	text := []byte("sessions: [{vni: any, filter: large}]\nfilters:\n  large: {aws: filters.json, id: tmf-1}\n")
	b.SetBytes(int64(len(json)))
	for b.Loop() {
		if _, err := Parse(filepath.Join(directory, "f"), text, nil); err != nil {
			b.Fatal(err)
		}
	}
}
