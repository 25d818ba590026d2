package loader

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrKernel says that the running kernel lacks what xdpeel cannot do without.
var ErrKernel = errors.New("kernel is too old")

// Missing returns what xdpeel needs and cannot have here: a *CapabilityError and
// an error that wraps ErrKernel, each nil if nothing of its kind is missing.
func Missing() (capability, kernel error) {
	return checkCapabilities(), checkKernel()
}

// checkKernel returns an error that wraps ErrKernel if the kernel lacks a helper
// that the program calls. It asks the kernel instead of its version, since
// distributions carry features back.
func checkKernel() error {
	for _, helper := range helpers {
		err := features.HaveProgramHelper(ebpf.XDP, helper.function)
		if errors.Is(err, ebpf.ErrNotSupported) {
			return fmt.Errorf("%w: Linux %s has no %s for XDP; xdpeel needs Linux 6.1 or newer",
				ErrKernel, KernelRelease(), helper.name)
		}
		if err != nil {
			return fmt.Errorf("ask the kernel for %s: %w", helper.name, err)
		}
	}
	return nil
}

// helpers are the program's younger ones.
var helpers = []struct {
	function asm.BuiltinFunc
	name     string
}{
	{asm.FnXdpLoadBytes, "bpf_xdp_load_bytes"},
	{asm.FnXdpGetBuffLen, "bpf_xdp_get_buff_len"},
	{asm.FnRingbufReserve, "bpf_ringbuf_reserve"},
	{asm.FnLoop, "bpf_loop"},
	{asm.FnKtimeGetCoarseNs, "bpf_ktime_get_coarse_ns"},
}

// KernelRelease returns the running kernel's release, as "6.1.0-18-amd64".
func KernelRelease() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "of unknown version"
	}
	return unix.ByteSliceToString(name.Release[:])
}

// knowsFragments says whether virtio_net of this kernel handles frames of several
// buffers, which it does since Linux 6.3. The kernel tells of no driver's
// features before that release, so the netdev family's absence is the answer.
func knowsFragments() bool {
	_, err := netlink.GenlFamilyGet("netdev")
	return err == nil
}

// movesGeneric says whether this kernel moves frames of generic mode to another CPU
// without losing any. Before Linux 6.15 it went on with the first of several that
// came at once, and gave the others to the host as they were
// (cpu_map_bpf_prog_run_skb, kernel/bpf/cpumap.c).
func movesGeneric() bool {
	var major, minor int
	_, err := fmt.Sscanf(KernelRelease(), "%d.%d", &major, &minor)
	return err == nil && (major > 6 || major == 6 && minor >= 15)
}
