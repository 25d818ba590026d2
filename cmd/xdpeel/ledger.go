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
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// conclude prints the ledger when all is over, and writes it as JSON to path, "" for
// nowhere.
func conclude(env *environment, ledger *mirror.Ledger, path string) error {
	fmt.Fprintln(env.stderr)
	printLedger(env.stderr, ledger, time.Time{})
	return writeLedger(env, path, ledger)
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
// always what was received and delivered. now is what the time is, for when a
// session was last seen; the zero Time leaves that out.
func printLedger(w io.Writer, ledger *mirror.Ledger, now time.Time) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s, %s: %d frames received\n", ledger.Interface, ledger.Mode, ledger.Received)
	for outcome, n := range ledger.Outcomes {
		if n > 0 || abi.Outcome(outcome) == abi.OutcomeDelivered {
			fmt.Fprintf(out, "\t%d\t %s\t\n", n, abi.Outcome(outcome))
		}
	}
	out.Flush()
	for _, name := range slices.Sorted(maps.Keys(ledger.Outputs)) {
		account := ledger.Outputs[name]
		fmt.Fprintf(w, "output %q: %d offered, %d delivered%s\n", name, account.Offered, account.Delivered, losses(account))
		for _, reader := range account.Readers {
			fmt.Fprintf(w, "  process %d reads %q: %d offered, %d delivered\n", reader.Process, reader.Filter, reader.Offered, reader.Delivered)
		}
	}
	printSessions(w, ledger, now)
	printStrangers(w, ledger, now)
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
