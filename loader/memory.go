package loader

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/loader/tables"
	"github.com/xdpeel/xdpeel/mirror"
)

// What the maps take whose sizes do not depend on the host's memory, in bytes
// (bpf/maps.h, vethmaps.h and keepmaps.h have the arithmetic).
const (
	tablesBytes       = 7 << 20 // sessions, strangers, fragments, what is kept for a successor
	tablesBytesPerCPU = 1<<20 + 128<<10
)

// Footprint is memory that the kernel program takes, in bytes. The kernel charges
// it to the cgroup of the process that loads it.
type Footprint struct {
	Rings  int64 // of all possible CPUs
	Tables int64
	// Policy is of the one in effect. While another takes its place there are two,
	// and as much again in the process that makes it.
	Policy int64
}

// FootprintOf says what Load will take for a policy. It fails as Load does where
// the policy is too large.
func FootprintOf(policy *mirror.Policy) (Footprint, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return Footprint{}, fmt.Errorf("count possible CPUs: %w", err)
	}
	image, err := tables.Compile(policy, 1)
	if err != nil {
		return Footprint{}, err
	}
	ring, spill := ringSizes(cpus)
	return Footprint{
		Rings:  int64(cpus) * (int64(ring) + int64(spill)),
		Tables: tablesBytes + int64(cpus)*tablesBytesPerCPU,
		Policy: int64(len(image.Regions())) * tables.RegionBytes,
	}, nil
}
