package host

import (
	"fmt"

	"github.com/safchain/ethtool"

	"github.com/xdpeel/xdpeel/loader"
)

func examineChannels(v *visit) ([]Finding, error) { return v.nic.judgeChannels(v.Mode), nil }

func (n *nic) judgeChannels(mode loader.Mode) []Finding {
	c := n.channels
	half := c.MaxCombined / 2
	if n.driver == "ena" && !n.enaSince(enaAllChannels) && half > 0 && c.CombinedCount > half && mode != loader.ModeGeneric {
		f := Finding{
			Level: Warning, Found: fmt.Sprintf("%d of %d channels are in use", c.CombinedCount, c.MaxCombined),
			Why: "ENA before 2.17 wants as many left for XDP: native mode is refused, and says so only in dmesg; " +
				"the change takes the link down for a moment",
			Remedy: fmt.Sprintf("ethtool -L %s combined %d", n.name, half),
			Undo:   fmt.Sprintf("ethtool -L %s combined %d", n.name, c.CombinedCount),
			mend: func() error {
				return withEthtool(func(tool *ethtool.Ethtool) error {
					c.CombinedCount = half
					_, err := tool.SetChannels(n.name, c)
					return err
				})
			},
		}
		if mode == loader.ModeNative {
			f.Level = Failure
		}
		return []Finding{f}
	}
	if c.CombinedCount == 0 && c.RxCount == 0 {
		return found("the driver does not tell its channels")
	}
	return found("%d channels to receive, of %d", c.CombinedCount+c.RxCount, c.MaxCombined+c.MaxRx)
}

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
