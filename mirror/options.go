package mirror

import (
	"errors"
	"fmt"
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Options say what a judge can see, this package's or the kernel, whatever its
// policy. The zero value sees all that AWS sends.
type Options struct {
	VXLANPorts  []uint16 // UDP destination ports; nil is 4789, empty is none
	GENEVEPorts []uint16 // likewise; nil is 6081. A port of both is VXLAN's
	SnapLength  int      // bytes kept of an inner frame, from 14; 0 is abi.LimitSnapLength
}

// Defaults returns the zero Options, completed.
func Defaults() Options {
	o, err := Options{}.Complete()
	if err != nil {
		panic(err) // the defaults are within the limits
	}
	return o
}

// Complete returns the options with their defaults filled in. It fails if more
// ports are named than abi's limits allow, or one that cannot be.
func (o Options) Complete() (Options, error) {
	if o.VXLANPorts == nil {
		o.VXLANPorts = []uint16{4789}
	}
	if o.GENEVEPorts == nil {
		o.GENEVEPorts = []uint16{6081}
	}
	if o.SnapLength == 0 {
		o.SnapLength = abi.LimitSnapLength
	}
	return o, errors.Join(
		checkPorts("vxlan", o.VXLANPorts),
		checkPorts("geneve", o.GENEVEPorts),
		checkSnapLength(o.SnapLength),
	)
}

func checkPorts(kind string, ports []uint16) error {
	if len(ports) > abi.LimitPorts {
		return fmt.Errorf("check %s ports: %d of them, at most %d are allowed", kind, len(ports), abi.LimitPorts)
	}
	if slices.Contains(ports, 0) {
		return fmt.Errorf("check %s ports: 0 is no port", kind)
	}
	return nil
}

func checkSnapLength(n int) error {
	if n < EthernetLength || n > abi.LimitSnapLength {
		return fmt.Errorf("check snap length: %d is not within %d to %d bytes", n, EthernetLength, abi.LimitSnapLength)
	}
	return nil
}
