package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// reloadSlots are the outputs of the configurations, by which one tells which one
// judged a packet.
var reloadSlots = map[string]int{"output-0": 0, "output-1": 1}

// configuration is what both files have; the session's output and how its filter is
// written are left open.
const configuration = `sessions:
  - {vni: any, filter: web, outputs: [output-%d]}
outputs:
  output-0: {type: pcapng, path: /dev/null}
  output-1: {type: pcapng, path: /dev/null}
filters:
  web:
%s`

// yamlSetters read the rules from a configuration.
func yamlSetters(directory string) ([2]setter, error) {
	return fileSetters(directory, func(_ int, rules []mirror.Rule) (string, error) { return yamlFilter(rules), nil })
}

// jsonSetters read the rules from what AWS prints of a filter, which a configuration
// names.
func jsonSetters(directory string) ([2]setter, error) {
	return fileSetters(directory, func(i int, rules []mirror.Rule) (string, error) {
		name := fmt.Sprintf("filters-%d.json", i)
		text, err := awsFilters(rules)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("    {aws: %s, id: tmf-0}\n", name), os.WriteFile(filepath.Join(directory, name), text, 0o644)
	})
}

// fileSetters writes two configurations, whose filters write has written, and returns
// what reads one of them and sets its policy.
func fileSetters(directory string, write func(i int, rules []mirror.Rule) (string, error)) (set [2]setter, err error) {
	for i, policy := range reloadPolicies() {
		filter, err := write(i, policy.Sessions[0].Filter.Ingress)
		if err != nil {
			return set, fmt.Errorf("write filter: %w", err)
		}
		path := filepath.Join(directory, fmt.Sprintf("reload-%d.yaml", i))
		if err := os.WriteFile(path, fmt.Appendf(nil, configuration, i, filter), 0o644); err != nil {
			return set, fmt.Errorf("write configuration: %w", err)
		}
		set[i] = func(p *loader.Program) error {
			read, err := config.Load(path, reloadSlots)
			if err != nil {
				return err
			}
			return p.SetPolicy(read.Policy)
		}
	}
	return set, nil
}

// yamlFilter writes ingress rules as a configuration has them.
func yamlFilter(rules []mirror.Rule) string {
	var b strings.Builder
	b.WriteString("    ingress:\n")
	for i := range rules {
		r := &rules[i]
		fmt.Fprintf(&b, "      - {rule: %d, action: accept", r.Number)
		if r.Protocol.Given {
			fmt.Fprintf(&b, ", protocol: %s", protocolName(r))
		}
		if r.Source.IsValid() {
			fmt.Fprintf(&b, ", source: %s, destination: %s", r.Source, r.Destination)
		}
		if r.DestinationPorts.Given {
			fmt.Fprintf(&b, ", destination_ports: %s", portRange(r.DestinationPorts))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// awsRule is a rule as `aws ec2 describe-traffic-mirror-filters` prints it.
type awsRule struct {
	TrafficMirrorFilterRuleId string
	TrafficMirrorFilterId     string
	TrafficDirection          string
	RuleNumber                int
	RuleAction                string
	Protocol                  *uint8    `json:",omitempty"`
	DestinationPortRange      *awsPorts `json:",omitempty"`
	SourceCidrBlock           string
	DestinationCidrBlock      string
}

type awsPorts struct{ FromPort, ToPort uint16 }

// awsFilters writes ingress rules as AWS prints them.
func awsFilters(rules []mirror.Rule) ([]byte, error) {
	block := func(network netip.Prefix) string {
		if !network.IsValid() {
			return "0.0.0.0/0"
		}
		return network.String()
	}
	printed := make([]awsRule, len(rules))
	for i := range rules {
		r := &rules[i]
		printed[i] = awsRule{
			TrafficMirrorFilterRuleId: fmt.Sprintf("tmfr-%017d", i), TrafficMirrorFilterId: "tmf-0",
			TrafficDirection: "ingress", RuleNumber: r.Number, RuleAction: "accept",
			SourceCidrBlock: block(r.Source), DestinationCidrBlock: block(r.Destination),
		}
		if r.Protocol.Given {
			printed[i].Protocol = &r.Protocol.Number
		}
		if r.DestinationPorts.Given {
			printed[i].DestinationPortRange = &awsPorts{r.DestinationPorts.First, r.DestinationPorts.Last}
		}
	}
	filter := map[string]any{"TrafficMirrorFilterId": "tmf-0", "IngressFilterRules": printed, "EgressFilterRules": []awsRule{}}
	return json.MarshalIndent(map[string]any{"TrafficMirrorFilters": []any{filter}}, "", "    ")
}
