package host

import (
	"time"

	"github.com/xdpeel/xdpeel/loader"
)

func examineProgram(v *visit) ([]Finding, error) {
	if v.missing {
		return []Finding{{Level: Note, Found: "not tried, for want of the above", Why: "the program cannot be loaded before"}}, nil
	}
	r, err := loader.Rehearse(v.Judge, v.Policy)
	return judgeProgram(r, err), nil
}

func judgeProgram(r *loader.Rehearsal, err error) []Finding {
	switch {
	case err != nil:
		return []Finding{{Level: Failure, Found: err.Error(), Why: "the kernel does not take the program, its maps or the policy"}}
	case !r.Compiled:
		return []Finding{{
			Level: Warning, Found: "the program loads, and is interpreted", Why: "every packet costs several times as much",
			Remedy: "sysctl -w " + jitParameter + "=1",
		}}
	}
	return found("the program loads: %d verified instructions, in %s with its maps and the policy", r.Instructions, r.Took.Round(time.Millisecond))
}
