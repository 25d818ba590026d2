package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// How many sessions are said to a person, the busiest first; JSON has all.
const (
	sessionsShown  = 20
	strangersShown = 10
)

func printSessions(w io.Writer, ledger *mirror.Ledger, now time.Time) {
	sessions := ledger.SortedSessions()
	slices.SortStableFunc(sessions, func(a, b mirror.Session) int {
		return cmp.Compare(ledger.Sessions[b].Packets, ledger.Sessions[a].Packets)
	})
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, session := range sessions[:min(len(sessions), sessionsShown)] {
		account := ledger.Sessions[session]
		cells := []string{"session " + titleOf(session, account.Name) + ":",
			fmt.Sprintf("%d packets", account.Packets), fmt.Sprintf("%d bytes", account.Bytes),
			fmt.Sprintf("%d truncated", account.Truncated)}
		// A ledger without filters and sampling has no columns of zeros for them.
		if ledger.Outcomes[abi.OutcomeFiltered] > 0 {
			cells = append(cells, fmt.Sprintf("%d filtered", account.Filtered))
		}
		if ledger.Outcomes[abi.OutcomeSampledOut] > 0 {
			cells = append(cells, fmt.Sprintf("%d sampled out", account.SampledOut))
		}
		cells = append(cells, seen(account.LastSeen, now)...)
		fmt.Fprintf(out, "%s\t\n", strings.Join(cells, "\t"))
	}
	out.Flush()
	if hidden := len(sessions) - sessionsShown; hidden > 0 {
		fmt.Fprintf(w, "and %d more sessions: the JSON has all\n", hidden)
	}
	if ledger.Overflow.Packets > 0 {
		fmt.Fprintf(w, "sessions after the first %d: %d packets\n", abi.LimitSessions-1, ledger.Overflow.Packets)
	}
}

// titleOf is a session's key and its name, if it has one.
func titleOf(session mirror.Session, name string) string {
	if name == "" {
		return session.String()
	}
	return fmt.Sprintf("%s (%s)", session, name)
}

// seen says how long ago a time was, in a cell of its own; none if either is not known.
func seen(at int64, now time.Time) []string {
	if at == 0 || now.IsZero() {
		return nil
	}
	ago := max(now.Sub(time.Unix(0, at)), 0).Round(time.Second)
	return []string{fmt.Sprintf("seen %s ago", ago)}
}

// printStrangers says who mirrors without being wanted: that is who to configure.
func printStrangers(w io.Writer, ledger *mirror.Ledger, now time.Time) {
	strangers := ledger.BusiestStrangers()
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, s := range strangers[:min(len(strangers), strangersShown)] {
		what := "unknown "
		if s.Unknown == 0 {
			what = "denied "
		}
		cells := []string{what + s.Session.String() + ":",
			fmt.Sprintf("%d packets", s.Packets()), fmt.Sprintf("%d bytes", s.Bytes)}
		if s.Denied > 0 && s.Unknown > 0 {
			cells = append(cells, fmt.Sprintf("%d denied", s.Denied))
		}
		cells = append(cells, seen(s.LastSeen, now)...)
		fmt.Fprintf(out, "%s\t\n", strings.Join(cells, "\t"))
	}
	out.Flush()
	if hidden := len(strangers) - strangersShown; hidden > 0 {
		fmt.Fprintf(w, "and %d more unknown sessions: the JSON has all\n", hidden)
	}
}
