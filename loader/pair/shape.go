package pair

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addrGenModeNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h: no link-local address.
const addrGenModeNone = 1

// unmergeable is a limit in bytes on merged packets that none keeps (`ip link
// help` knows it as gro_max_size, since Linux 5.19).
const unmergeable = 1

// merging are the features by which received packets are merged, as
// netdev_features_strings, net/ethtool/common.c, names them.
var merging = []string{"rx-gro", "rx-gro-list", "rx-udp-gro-forwarding", "rx-lro"}

// shape makes both ends what they are to be and takes them up.
func (p *Pair) shape() error {
	ours, err := p.home.LinkByIndex(p.Index)
	if err != nil {
		return fmt.Errorf("find our end %q: %w", p.Name, err)
	}
	theirs, err := p.space.handle.LinkByIndex(p.PeerIndex)
	if err != nil {
		return fmt.Errorf("find the consumer's end %q: %w", p.where(), err)
	}
	if err := quiet(p.home, ours, p.MTU); err != nil {
		return err
	}
	if err := quiet(p.space.handle, theirs, p.MTU); err != nil {
		return err
	}
	if err := p.space.do(func() error { return errors.Join(silenceIPv6(p.Peer), keepApart(p.Peer)) }); err != nil {
		return err
	}
	if err := silenceIPv6(p.Name); err != nil {
		return err
	}
	if err := p.forbidMerging(theirs); err != nil {
		return err
	}
	if err := p.bindQueues(); err != nil {
		return err
	}
	if err := p.home.LinkSetUp(ours); err != nil {
		return fmt.Errorf("take %q up: %w", p.Name, err)
	}
	if err := p.space.handle.LinkSetUp(theirs); err != nil {
		return fmt.Errorf("take %q up: %w", p.where(), err)
	}
	return nil
}

// quiet has an end say nothing by itself.
func quiet(handle *netlink.Handle, end netlink.Link, mtu int) error {
	name := end.Attrs().Name
	if end.Attrs().MTU != mtu {
		if err := handle.LinkSetMTU(end, mtu); err != nil {
			return fmt.Errorf("set MTU of %q to %d: %w", name, mtu, err)
		}
	}
	if err := handle.LinkSetARPOff(end); err != nil {
		return fmt.Errorf("switch ARP off on %q: %w", name, err)
	}
	// A kernel without IPv6 knows no such thing.
	if err := handle.LinkSetIP6AddrGenMode(end, addrGenModeNone); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("switch IPv6 addresses off on %q: %w", name, err)
	}
	return nil
}

// silenceIPv6 switches IPv6 off on an interface of the calling thread's namespace.
// Without an address it has little to say; where /proc/sys cannot be written to,
// that has to do.
func silenceIPv6(name string) error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return fmt.Errorf("switch IPv6 off on %q: %w", name, err)
}

// keepApart switches off all merging of received packets on an interface of the
// calling thread's namespace.
func keepApart(name string) error {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("open socket for ethtool: %w", err)
	}
	defer tool.Close()
	has, err := tool.Features(name)
	if err != nil {
		return fmt.Errorf("read features of %q: %w", name, err)
	}
	change := make(map[string]bool)
	for _, feature := range merging {
		if has[feature] {
			change[feature] = false
		}
	}
	if len(change) == 0 {
		return nil
	}
	if err := tool.Change(name, change); err != nil {
		return fmt.Errorf("switch merging off on %q: %w", name, err)
	}
	return nil
}

// forbidMerging keeps packets apart even if the consumer switches GRO on.
func (p *Pair) forbidMerging(theirs netlink.Link) error {
	if err := p.space.handle.LinkSetGROMaxSize(theirs, unmergeable); err != nil {
		return fmt.Errorf("forbid merging on %q: %w", p.where(), err)
	}
	return nil
}
