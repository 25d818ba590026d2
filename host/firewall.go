package host

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// dropRule is a rule, or a chain's policy, that drops what comes to a port of this host.
type dropRule struct {
	chain    string // as "inet filter input"
	protocol string // udp or tcp
	port     uint16
	policy   bool // no rule lets it in, and the chain drops what none does
}

func examineFirewall(v *visit) ([]Finding, error) {
	tool, err := exec.LookPath("nft")
	if err != nil {
		return found("there is no nft here: rules of iptables-nft or nftables, if any, were not looked at"), nil
	}
	var stderr bytes.Buffer
	cmd := exec.Command(tool, "-j", "list", "ruleset")
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("nft list ruleset: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	rules, err := parseRuleset(text)
	if err != nil {
		return nil, err
	}
	var drops []dropRule
	for _, port := range slices.Concat(v.Judge.VXLANPorts, v.Judge.GENEVEPorts) {
		drops = append(drops, rules.drops("udp", port)...)
	}
	for _, address := range v.Pages {
		if port, ok := reachable(address); ok {
			drops = append(drops, rules.drops("tcp", port)...)
		}
	}
	return judgeFirewall(drops), nil
}

// reachable returns the port of an address that other hosts can reach.
func reachable(address string) (uint16, bool) {
	host, text, err := net.SplitHostPort(address)
	port, parseErr := strconv.ParseUint(text, 10, 16)
	if err != nil || parseErr != nil || host == "localhost" || net.ParseIP(host).IsLoopback() {
		return 0, false
	}
	return uint16(port), true
}

func judgeFirewall(drops []dropRule) (findings []Finding) {
	for _, d := range drops {
		how := "a rule of"
		if d.policy {
			how = "no rule accepts, and the policy of"
		}
		f := Finding{
			Level: Note, Found: fmt.Sprintf("%s %s drops %s %d", how, d.chain, strings.ToUpper(d.protocol), d.port),
			Why: "that keeps nothing from xdpeel, which sees frames before netfilter; what it passes on to the host (unknown sessions, fragments) ends there",
		}
		if d.protocol == "tcp" {
			f.Level, f.Why = Warning, "the check of a load balancer, and Prometheus, are not answered"
			f.Remedy = fmt.Sprintf("nft insert rule %s tcp dport %d accept", d.chain, d.port)
		}
		findings = append(findings, f)
	}
	if findings == nil {
		return found("no firewall rule of this host is in the way")
	}
	return findings
}
