package host

import (
	"fmt"
	"maps"
	"slices"
)

func examineDrops(v *visit) ([]Finding, error) {
	return newCounters(v.nic.link, v.nic.driver, v.nic.stats).judge(), nil
}

// allowanceReasons say what an instance's allowances limit.
var allowanceReasons = map[string]string{
	"bw_in":     "more came than the instance's bandwidth",
	"bw_out":    "more was sent than the instance's bandwidth",
	"pps":       "more packets a second than the instance may have",
	"conntrack": "more connections than the instance's security groups track: an untracked rule for UDP 4789 (from anywhere, with all traffic let out) needs none",
	"linklocal": "more packets a second to DNS, metadata and time than the instance may send",
}

func (c Counters) judge() (findings []Finding) {
	for _, name := range slices.Sorted(maps.Keys(c.Allowances)) {
		if n := c.Allowances[name]; n > 0 {
			findings = append(findings, Finding{
				Level: Warning, Found: fmt.Sprintf("AWS queued or dropped %d packets by %s%s", n, name, allowanceSuffix),
				Why: allowanceReasons[name],
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Dropped)) {
		if n := c.Dropped[name]; n > 0 {
			findings = append(findings, Finding{
				Level: Note, Found: fmt.Sprintf("%d packets did not come to the kernel for want of room (%s)", n, name),
				Why: "the receive ring was full; a larger one, or more channels, help",
			})
		}
	}
	if findings == nil {
		return found("no drop of the card is known")
	}
	return findings
}
