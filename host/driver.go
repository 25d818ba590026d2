package host

import (
	"fmt"

	"github.com/xdpeel/xdpeel/loader"
)

// native reports whether the driver has native XDP, and whether of frames of several
// buffers: by what it tells, or by what is known of it.
func (n *nic) native() (native, fragments bool) {
	known := knownDrivers[n.driver]
	native = n.xdp.bits&xdpBasic != 0 || n.kernel.since(known.native)
	fragments = n.xdp.bits&xdpFragments != 0 || n.kernel.since(known.fragments) || n.enaSince(enaFragments)
	return native, native && fragments
}

func examineDriver(v *visit) ([]Finding, error) {
	native, _ := v.nic.native()
	v.nic.generic = v.Mode == loader.ModeGeneric || !native
	return v.nic.judgeDriver(v.Mode), nil
}

func (n *nic) judgeDriver(mode loader.Mode) []Finding {
	native, fragments := n.native()
	switch {
	case native && mode == loader.ModeGeneric:
		return []Finding{{
			Level: Note, Found: fmt.Sprintf("%s takes native XDP, and generic mode is asked for", n.driverText()),
			Why: "generic mode costs a socket buffer a packet", Remedy: "mode: auto in the configuration",
		}}
	case native && fragments:
		return found("%s takes native XDP, and frames of several buffers", n.driverText())
	case native:
		return found("%s takes native XDP, of frames of one buffer", n.driverText())
	case mode == loader.ModeNative:
		return []Finding{{
			Level: Failure, Found: fmt.Sprintf("%s has no native XDP", n.driverText()),
			Why: "native mode is asked for", Remedy: "mode: auto in the configuration, or --mode auto",
		}}
	}
	return []Finding{{
		Level: Warning, Found: fmt.Sprintf("%s has no native XDP: the program runs in generic mode", n.driverText()),
		Why: "generic mode costs a socket buffer a packet, and sees what the kernel has merged",
	}}
}
