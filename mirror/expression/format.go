package expression

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Format returns rules as text, a line each and aligned: number, verdict,
// families, protocol and the two ends. The family "any" is every frame, and "ip"
// every IP packet. It prints the rules of any filter, not only of expressions.
func Format(rules []mirror.Rule) string {
	rows := make([][]string, len(rules))
	widths := make([]int, 6)
	for i := range rules {
		rows[i] = columns(&rules[i])
		for j, cell := range rows[i] {
			widths[j] = max(widths[j], len(cell))
		}
	}
	var text strings.Builder
	for _, row := range rows {
		line := fmt.Sprintf("%*s %-*s  %-*s  %-*s  %-*s -> %s", max(widths[0], 3), row[0], widths[1], row[1],
			widths[2], row[2], widths[3], row[3], widths[4], row[4], row[5])
		text.WriteString(line + "\n")
	}
	return text.String()
}

func columns(r *mirror.Rule) []string {
	verdict := "reject"
	if r.Accept {
		verdict = "accept"
	}
	return []string{
		strconv.Itoa(r.Number), verdict, familiesText(r.Families), r.Protocol.String(),
		"src " + endText(r.Source, r.SourcePorts), "dst " + endText(r.Destination, r.DestinationPorts),
	}
}

func familiesText(families mirror.FamilySet) string {
	switch families {
	case 0:
		return "ip"
	case mirror.AllFamilies:
		return "any"
	}
	var names []string
	for family := range abi.FamilyMax {
		if families>>family&1 == 0 {
			continue
		}
		name := (family &^ abi.FamilyTagged).String()
		if family&abi.FamilyTagged != 0 {
			name = "tagged_" + name
		}
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

func endText(network netip.Prefix, ports mirror.Ports) string {
	address := "any"
	if network.IsValid() {
		address = network.String()
	}
	switch {
	case !ports.Given:
		return address + " port any"
	case ports.First == ports.Last:
		return fmt.Sprintf("%s port %d", address, ports.First)
	}
	return fmt.Sprintf("%s port %d-%d", address, ports.First, ports.Last)
}
