package host

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// clockFacts are the kernel's own idea of its clock, adjtimex(2).
type clockFacts struct {
	synchronized bool
	maxError     time.Duration
}

func examineClock(*visit) ([]Finding, error) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return nil, fmt.Errorf("ask for the clock: %w", err)
	}
	return clockFacts{t.Status&unix.STA_UNSYNC == 0, time.Duration(t.Maxerror) * time.Microsecond}.judge(), nil
}

// coarseClock is an error from which on packets of two hosts cannot be put in order.
const coarseClock = 100 * time.Millisecond

func (f clockFacts) judge() []Finding {
	switch {
	case !f.synchronized:
		return []Finding{{
			Level: Warning, Found: "nothing keeps this host's clock right",
			Why:    "packets carry its time: they cannot be put beside other hosts' logs, nor is a step of the clock the last",
			Remedy: "systemctl enable --now chronyd (on EC2: server 169.254.169.123, the Amazon Time Sync Service)",
		}}
	case f.maxError > coarseClock:
		return []Finding{{
			Level: Note, Found: fmt.Sprintf("the clock may be wrong by %s", f.maxError.Round(time.Millisecond)),
			Why: "packets carry its time",
		}}
	}
	return found("the clock is kept right, to %s", f.maxError)
}
