package host

import (
	"fmt"

	"github.com/safchain/ethtool"
)

func examineReceiveRing(v *visit) ([]Finding, error) { return v.nic.judgeReceiveRing(), nil }

// largeReceiveRing is one that holds what comes in a few milliseconds that a CPU is
// busy elsewhere: 4,096 packets at a million a second.
const largeReceiveRing = 4096

func (n *nic) judgeReceiveRing() []Finding {
	have, most := n.ring.RxPending, n.ring.RxMaxPending
	if most == 0 {
		return found("the driver does not tell its receive ring")
	}
	wanted := min(most, largeReceiveRing)
	if have >= wanted {
		return found("the receive ring holds %d packets, of at most %d", have, most)
	}
	ring := n.ring
	return []Finding{{
		Level: Note, Found: fmt.Sprintf("the receive ring holds %d packets, and could hold %d", have, most),
		Why:    "what comes while a CPU is busy elsewhere waits there, and is dropped by the card beyond; the change takes the link down for a moment",
		Remedy: fmt.Sprintf("ethtool -G %s rx %d", n.name, wanted),
		Undo:   fmt.Sprintf("ethtool -G %s rx %d", n.name, have),
		mend: func() error {
			return withEthtool(func(tool *ethtool.Ethtool) error {
				ring.RxPending = wanted
				_, err := tool.SetRing(n.name, ring)
				return err
			})
		},
	}}
}
