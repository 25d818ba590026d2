package host

import (
	"fmt"
	"strings"

	"github.com/xdpeel/xdpeel/loader"
)

// release is one of Linux, as 6.1.
type release struct{ major, minor int }

// since is of what a release has, and those after it.
func (r release) since(s release) bool {
	return s.major > 0 && (r.major > s.major || r.major == s.major && r.minor >= s.minor)
}

func runningRelease() (r release) {
	fmt.Sscanf(loader.KernelRelease(), "%d.%d", &r.major, &r.minor) // of none, nothing is known
	return r
}

// support is since when a driver in the kernel has native XDP, and takes frames of
// several buffers; the zero release: not yet, as far as is known.
type support struct{ native, fragments release }

// knownDrivers are those that a host of ours is likely to have. Not all of them tell the
// kernel what they can: virtio_net nothing of several buffers, vmxnet3 nothing at all, and
// ENA nothing while it has too many channels (ebpf-docs, and the drivers' sources).
var knownDrivers = map[string]support{
	"bnxt_en":    {release{4, 11}, release{5, 19}},
	"ena":        {release{5, 6}, release{}},
	"gve":        {release{6, 4}, release{}},
	"hv_netvsc":  {release{5, 6}, release{}},
	"i40e":       {release{4, 13}, release{6, 4}},
	"ice":        {release{5, 5}, release{6, 3}},
	"igb":        {release{5, 10}, release{}},
	"igc":        {release{5, 13}, release{}},
	"ixgbe":      {release{4, 12}, release{}},
	"ixgbevf":    {release{4, 17}, release{}},
	"mlx4_en":    {release{4, 8}, release{}},
	"mlx5_core":  {release{4, 9}, release{5, 18}},
	"tun":        {release{4, 14}, release{}},
	"veth":       {release{4, 19}, release{5, 18}},
	"virtio_net": {release{4, 10}, release{6, 3}},
	"vmxnet3":    {release{6, 6}, release{}},
}

// enaVersion is the version of an ENA driver out of the kernel tree; ok is false of
// one in it, which has the kernel's. They look like 2.14.0g.
func enaVersion(driver, version string) (major, minor int, ok bool) {
	if driver != "ena" || !strings.HasSuffix(version, "g") {
		return 0, 0, false
	}
	n, _ := fmt.Sscanf(version, "%d.%d.", &major, &minor)
	return major, minor, n == 2
}

// enaSince reports whether the driver is ENA's out of the kernel tree, of a version 2
// with at least this minor number.
func (n *nic) enaSince(minor int) bool {
	major, have, ok := enaVersion(n.driver, n.version)
	return ok && (major > 2 || major == 2 && have >= minor)
}

// The releases of the ENA driver that lifted its restrictions (its RELEASENOTES.md).
const (
	enaFragments   = 14 // frames of several buffers, so no limit to the MTU
	enaAllChannels = 17 // as many channels as there are, not half of them
)
