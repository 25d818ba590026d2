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
