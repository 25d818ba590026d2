package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// checkSums proves that the ledger's sums hold. An error is a fault of xdpeel.
func checkSums(ledger *mirror.Ledger) error {
	var outcomes uint64
	for _, n := range ledger.Outcomes {
		outcomes += n
	}
	if outcomes != ledger.Received {
		return fmt.Errorf("ledger does not add up: %d frames received, %d with an outcome", ledger.Received, outcomes)
	}
	for name, account := range ledger.Outputs {
		accounted := account.Delivered
		for _, n := range account.Lost {
			accounted += n
		}
		if accounted != account.Offered {
			return fmt.Errorf("ledger does not add up: output %q was offered %d packets and accounts for %d",
				name, account.Offered, accounted)
		}
	}
	return nil
}

// writeLedger writes the ledger as JSON to path, or to stdout for "-".
func writeLedger(env *environment, path string, ledger *mirror.Ledger) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(ledger, "", "  ")
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	text = append(text, '\n')
	if path == "-" {
		_, err = env.stdout.Write(text)
	} else {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// printLedger says the ledger for a person to read: only what is not zero, but
// always what was received and delivered.
func printLedger(w io.Writer, ledger *mirror.Ledger) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%s, %s: %d frames received\n", ledger.Interface, ledger.Mode, ledger.Received)
	for outcome, n := range ledger.Outcomes {
		if n > 0 || abi.Outcome(outcome) == abi.OutcomeDelivered {
			fmt.Fprintf(out, "\t%d\t %s\t\n", n, abi.Outcome(outcome))
		}
	}
	out.Flush()
	for _, name := range slices.Sorted(maps.Keys(ledger.Outputs)) {
		account := ledger.Outputs[name]
		fmt.Fprintf(w, "output %q: %d offered, %d delivered%s\n", name, account.Offered, account.Delivered, losses(account))
	}
	printSessions(w, ledger)
}

// losses says why packets were lost, as ", 12 lost (ring_full 10, disk_full 2)".
func losses(account *mirror.OutputAccount) string {
	var total uint64
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(account.Lost)) {
		total += account.Lost[reason]
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, account.Lost[reason]))
	}
	if total == 0 {
		return ", none lost"
	}
	return fmt.Sprintf(", %d lost (%s)", total, strings.Join(reasons, ", "))
}

// sessionsShown is how many sessions are said to a person; JSON has all.
const sessionsShown = 20

func printSessions(w io.Writer, ledger *mirror.Ledger) {
	sessions := ledger.SortedSessions()
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, session := range sessions[:min(len(sessions), sessionsShown)] {
		account := ledger.Sessions[session]
		fmt.Fprintf(out, "session %s:\t%d packets\t%d bytes\t%d truncated\t\n", session, account.Packets, account.Bytes, account.Truncated)
	}
	out.Flush()
	if hidden := len(sessions) - sessionsShown; hidden > 0 {
		fmt.Fprintf(w, "and %d more sessions: --ledger has all\n", hidden)
	}
	if ledger.Overflow.Packets > 0 {
		fmt.Fprintf(w, "sessions after the first %d: %d packets\n", abi.LimitSessions-1, ledger.Overflow.Packets)
	}
}
