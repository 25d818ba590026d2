package loader

import (
	"encoding/binary"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Config returns the program's constants for options that are complete.
func Config(o mirror.Options) bpf.XdpeelConfig {
	redirects := uint32(0)
	if knowsFragments() {
		redirects = 1
	}
	return bpf.XdpeelConfig{
		RedirectsParts: redirects,
		SnapLength:     uint32(o.SnapLength),
		VxlanPorts:     networkPorts(o.VXLANPorts), GenevePorts: networkPorts(o.GENEVEPorts),
	}
}

// networkPorts puts ports into the program's fixed array, in network byte order.
func networkPorts(ports []uint16) (network [abi.LimitPorts]uint16) {
	for i, port := range ports {
		network[i] = binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, port))
	}
	return network
}
