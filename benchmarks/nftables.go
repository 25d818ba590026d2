package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// nftRuleset has a hook as early as one of IP can be, without connection tracking.
// What a rule takes goes to the one chain that counts it, and ends there.
const nftRuleset = `table ip bench {
	%s
	chain taken {
		counter drop
	}
	chain in {
		type filter hook prerouting priority raw; policy accept;
		%s
	}
}
`

// nftForm writes rules for nft: what goes before the chains, and into the chain.
type nftForm func(rules []mirror.Rule) (sets, chain string)

// nftRules writes a line for each rule, as one that knows filters would: the first
// that matches decides.
func nftRules(rules []mirror.Rule) (sets, chain string) {
	var b strings.Builder
	for i := range rules {
		r := &rules[i]
		fmt.Fprintf(&b, "ip saddr %s ip daddr %s %s dport %s goto taken\n",
			r.Source, r.Destination, protocolName(r), portRange(r.DestinationPorts))
	}
	return "", b.String()
}

// nftSet writes all rules as one set, which nft looks up at once. It knows no order,
// and so is no filter of numbered rules: these can be written so because no two of
// them match the same packet.
func nftSet(rules []mirror.Rule) (sets, chain string) {
	elements := make([]string, len(rules))
	for i := range rules {
		r := &rules[i]
		elements[i] = fmt.Sprintf("%s . %s . %s . %s", r.Source, r.Destination, protocolName(r), portRange(r.DestinationPorts))
	}
	sets = "set rules { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; elements = {" +
		strings.Join(elements, ", ") + "} }"
	return sets, "ip saddr . ip daddr . meta l4proto . th dport @rules goto taken\n"
}

func portRange(p mirror.Ports) string { return fmt.Sprintf("%d-%d", p.First, p.Last) }

// newNftables returns what makes a namespace with rules in a form.
func newNftables(form nftForm) func([]mirror.Rule) (*hostFilter, error) {
	return func(rules []mirror.Rule) (*hostFilter, error) {
		if _, err := exec.LookPath("nft"); err != nil {
			return nil, &filterRefusal{"nft is not installed"}
		}
		sets, chain := "", "goto taken\n"
		if rules != nil {
			sets, chain = form(rules)
		}
		ns, err := lab.NewNamespace("xdpeel-bench-nft")
		if err != nil {
			return nil, err
		}
		if _, err := nft(ns, fmt.Sprintf(nftRuleset, sets, chain), "-f", "-"); err != nil {
			return nil, errors.Join(&filterRefusal{err.Error()}, ns.Close())
		}
		return &hostFilter{ns: ns, taken: func() (uint64, error) { return nftTaken(ns) }}, nil
	}
}

// nft runs it in a namespace.
func nft(ns *lab.Namespace, stdin string, args ...string) (said []byte, err error) {
	err = ns.Do(func() error {
		command := exec.Command("nft", args...)
		command.Stdin = strings.NewReader(stdin)
		said, err = command.CombinedOutput()
		return err
	})
	if err != nil {
		line, _, _ := strings.Cut(string(said), "\n")
		return nil, fmt.Errorf("nft %s: %w: %s", strings.Join(args, " "), err, line)
	}
	return said, nil
}

var nftCounter = regexp.MustCompile(`counter packets (\d+)`)

// nftTaken returns how many packets any rule has taken.
func nftTaken(ns *lab.Namespace) (uint64, error) {
	said, err := nft(ns, "", "list", "chain", "ip", "bench", "taken")
	if err != nil {
		return 0, err
	}
	match := nftCounter.FindSubmatch(said)
	if match == nil {
		return 0, fmt.Errorf("nft lists no counter: %s", said)
	}
	return strconv.ParseUint(string(match[1]), 10, 64)
}
