package host

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// backlogFacts are limits of the kernel's receive path, and what they have cost so
// far, over all CPUs and since boot.
type backlogFacts struct {
	budget           int    // packets a poll, net.core.netdev_budget
	squeezed, polled uint64 // polls that ended with work left over; packets
	dropped          uint64 // at a full backlog, net.core.netdev_max_backlog
	backlog          int
	settable         bool
}

const (
	budgetParameter  = "net.core.netdev_budget"
	backlogParameter = "net.core.netdev_max_backlog"
)

func examineBacklog(v *visit) (findings []Finding, err error) {
	f := backlogFacts{}
	if f.budget, f.settable, err = sysctlNumber(budgetParameter); err != nil {
		return nil, err
	}
	if f.backlog, _, err = sysctlNumber(backlogParameter); err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return nil, err
	}
	if err := f.readSoftnet(string(text)); err != nil {
		return nil, err
	}
	return f.judge(), nil
}

// readSoftnet sums the lines of /proc/net/softnet_stat, one a CPU: packets,
// dropped, squeezed and more, in hexadecimal (net/core/net-procfs.c).
func (f *backlogFacts) readSoftnet(text string) error {
	for line := range strings.Lines(text) {
		var polled, dropped, squeezed uint64
		if _, err := fmt.Sscanf(line, "%x %x %x", &polled, &dropped, &squeezed); err != nil {
			return fmt.Errorf("read softnet_stat: %w", err)
		}
		f.polled, f.dropped, f.squeezed = f.polled+polled, f.dropped+dropped, f.squeezed+squeezed
	}
	return nil
}

// Above these, a limit is likely to be reached again: a squeeze in so many packets,
// and a budget that nobody has raised yet.
const (
	squeezeRatio = 10_000
	largeBudget  = 600
)

func (f backlogFacts) judge() (findings []Finding) {
	if f.dropped > 0 {
		findings = append(findings, Finding{
			Level: Note, Found: fmt.Sprintf("%d packets were dropped at a full backlog since boot", f.dropped),
			Why: "where packets are steered between CPUs (RPS), or come through a veth, they wait there; " +
				backlogParameter + " is " + strconv.Itoa(f.backlog),
			Remedy: fmt.Sprintf("sysctl -w %s=%d", backlogParameter, max(10_000, 2*f.backlog)),
		})
	}
	if f.settable && f.squeezed > 0 && f.squeezed > f.polled/squeezeRatio && f.budget < largeBudget {
		findings = append(findings, setSysctl(Finding{
			Level: Warning, Found: fmt.Sprintf("%d polls of network cards ended with work left over since boot", f.squeezed),
			Why: "the card's receive ring overflows in the meantime, which nothing of xdpeel can count",
		}, budgetParameter, f.budget, largeBudget))
	}
	if findings == nil {
		return found("no packet dropped at the backlog since boot, %d polls cut short", f.squeezed)
	}
	return findings
}
