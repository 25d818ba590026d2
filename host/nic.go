package host

import (
	"fmt"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/loader"
)

// nic is what is known of the interface. What its driver does not tell is zero.
type nic struct {
	link     netlink.Link
	name     string
	kind     string // of a link, as "veth" or "device"
	driver   string
	version  string // of the driver
	mtu      int
	up       bool
	carrier  bool
	kernel   release
	xdp      xdpFeatures
	channels ethtool.Channels
	ring     ethtool.Ring
	features map[string]ethtool.FeatureState // by the kernel's names of them
	stats    map[string]uint64
	generic  bool // the program will run above the driver; set by examineDriver
}

// readNIC returns nil if there is no such interface, in this network namespace.
func readNIC(name string) *nic {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil
	}
	a := link.Attrs()
	n := &nic{
		link: link, name: a.Name, kind: link.Type(), mtu: a.MTU,
		up: a.RawFlags&unix.IFF_UP != 0, carrier: a.RawFlags&unix.IFF_LOWER_UP != 0,
		kernel: runningRelease(), xdp: readXDPFeatures(a.Index),
	}
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return n
	}
	defer tool.Close()
	// A driver need not answer any of these.
	if info, err := tool.DriverInfo(name); err == nil {
		n.driver, n.version = info.Driver, info.Version
	}
	n.channels, _ = tool.GetChannels(name)
	n.ring, _ = tool.GetRing(name)
	n.features, _ = tool.FeaturesWithState(name)
	n.stats, _ = tool.Stats(name)
	return n
}

func examineInterface(v *visit) ([]Finding, error) {
	if v.nic == nil {
		return []Finding{{
			Level: Failure, Found: fmt.Sprintf("no interface %q in this network namespace", v.Interface),
			Why: "there is nothing to attach to", Remedy: "ip -br link",
		}}, nil
	}
	return v.nic.judge(), nil
}

func (n *nic) judge() []Finding {
	switch {
	case !n.up:
		f := Finding{
			Level: Warning, Found: fmt.Sprintf("%s is down", n.name), Why: "nothing arrives on it",
			Remedy: fmt.Sprintf("ip link set dev %s up", n.name), Undo: fmt.Sprintf("ip link set dev %s down", n.name),
		}
		f.mend = func() error { return netlink.LinkSetUp(n.link) }
		return []Finding{f}
	case !n.carrier:
		return []Finding{{Level: Warning, Found: fmt.Sprintf("%s has no carrier", n.name), Why: "nothing arrives on it"}}
	}
	return found("%s is up, %s, driver %s", n.name, n.kind, n.driverText())
}

func (n *nic) driverText() string {
	switch {
	case n.driver == "":
		return "unknown"
	case n.version == "" || n.version == loader.KernelRelease():
		return n.driver
	}
	return n.driver + " " + n.version
}

// changeFeature makes the remedy of f to switch a feature of the interface. option
// is what ethtool calls it, feature the kernel's name.
func (n *nic) changeFeature(f Finding, option, feature string, on bool) Finding {
	word := map[bool]string{true: "on", false: "off"}
	f.Remedy = fmt.Sprintf("ethtool -K %s %s %s", n.name, option, word[on])
	if !n.features[feature].Available {
		return f // the driver has it fixed
	}
	f.Undo = fmt.Sprintf("ethtool -K %s %s %s", n.name, option, word[!on])
	f.mend = func() error {
		return withEthtool(func(tool *ethtool.Ethtool) error { return tool.Change(n.name, map[string]bool{feature: on}) })
	}
	return f
}

func withEthtool(do func(*ethtool.Ethtool) error) error {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("open socket for ethtool: %w", err)
	}
	defer tool.Close()
	return do(tool)
}
