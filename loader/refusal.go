package loader

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/mirror"
)

// SingleBufferMTU is an MTU, in bytes, at which every driver keeps each frame in one
// buffer: a page, less XDP's headroom and the kernel's trailer. ENA says 3498 (its
// README), veth and virtio_net say 3506, of which virtio_net drops the longest
// frames silently, and vmxnet3 says 3494 (docs/kernels.md).
const SingleBufferMTU = 3494

// quirk refuses what a driver would take and then not do.
func quirk(iface netlink.Link, how attempt) *Refusal {
	mtu := iface.Attrs().MTU
	if how.mode != ModeNative || mtu <= SingleBufferMTU || driver(iface) != "virtio_net" || knowsFragments() {
		return nil
	}
	return &Refusal{
		Tried: how.String(),
		Reason: fmt.Sprintf("virtio_net on Linux %s takes an MTU of %d and then silently drops frames over %d bytes",
			KernelRelease(), mtu, SingleBufferMTU+mirror.EthernetLength),
		Remedy: mtuCommand(iface.Attrs().Name, SingleBufferMTU),
		err:    unix.ERANGE,
	}
}

// explain says why the kernel refused, in its own words where it has any.
func explain(iface netlink.Link, how attempt, program *ebpf.Program, attachErr error) *Refusal {
	refusal := &Refusal{Tried: how.String(), Reason: reason(attachErr), err: attachErr}
	if how.mode == ModeNative {
		if words := askNetlink(iface, program); words != "" {
			refusal.Reason = words
		}
	}
	refusal.Remedy = remedy(iface, refusal.Reason, attachErr)
	return refusal
}

func reason(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// askNetlink repeats a refused attachment in the older way, whose answer
// carries the driver's own words; a link's does not. Should it succeed after all,
// the program is taken off again.
func askNetlink(iface netlink.Link, program *ebpf.Program) string {
	nl.EnableErrorMessageReporting = true
	const driverMode = unix.XDP_FLAGS_DRV_MODE
	err := netlink.LinkSetXdpFdWithFlags(iface, program.FD(), driverMode|unix.XDP_FLAGS_UPDATE_IF_NOEXIST)
	if err == nil {
		netlink.LinkSetXdpFdWithFlags(iface, -1, driverMode)
		return ""
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	if errno == unix.EPERM { // a link needs less than that
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(err.Error(), errno.Error()+": "), ": "+errno.Error())
}

// remedy is the command that would make a driver take the program, as far as its
// words or its error tell.
func remedy(iface netlink.Link, words string, err error) string {
	name, mtu, driver := iface.Attrs().Name, iface.Attrs().MTU, driver(iface)
	lower := strings.ToLower(words)
	switch {
	case strings.Contains(lower, "peer mtu"):
		return mtuCommand(peerName(iface), SingleBufferMTU)
	case strings.Contains(lower, "mtu"), errors.Is(err, unix.ERANGE):
		return mtuCommand(name, SingleBufferMTU)
	case strings.Contains(lower, "gro_hw"):
		return fmt.Sprintf("ethtool -K %s rx-gro-hw off rx off", name)
	case strings.Contains(lower, "lro"):
		return fmt.Sprintf("ethtool -K %s lro off", name)
	case driver == "ena" && mtu > SingleBufferMTU:
		return mtuCommand(name, SingleBufferMTU)
	case driver == "ena":
		return channelCommand(name)
	default:
		return ""
	}
}

func mtuCommand(name string, mtu int) string {
	return fmt.Sprintf("ip link set dev %s mtu %d", name, mtu)
}

// channelCommand halves the channels: ENA before 2.17 wants as many for sending
// as a program may use for receiving.
func channelCommand(name string) string {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return ""
	}
	defer tool.Close()
	channels, err := tool.GetChannels(name)
	if err != nil || channels.MaxCombined < 2 || channels.CombinedCount <= channels.MaxCombined/2 {
		return ""
	}
	return fmt.Sprintf("ethtool -L %s combined %d", name, channels.MaxCombined/2)
}

// driver returns the name of the interface's driver, or "".
func driver(iface netlink.Link) string {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return ""
	}
	defer tool.Close()
	name, err := tool.DriverName(iface.Attrs().Name)
	if err != nil {
		return ""
	}
	return name
}

// peerName returns what the other end of a veth is called, as far as it can be seen from here.
func peerName(iface netlink.Link) string {
	if peer, err := netlink.LinkByIndex(iface.Attrs().ParentIndex); err == nil && iface.Attrs().NetNsID < 0 {
		return peer.Attrs().Name
	}
	return "PEER"
}
