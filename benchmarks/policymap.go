package main

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/loader/tables"
	"github.com/xdpeel/xdpeel/mirror"
)

// newPolicyMap returns a policy as the program reads it, which knows it from
// others by its generation, above 0.
func newPolicyMap(spec *ebpf.MapSpec, policy *mirror.Policy, generation uint32) (*ebpf.Map, error) {
	image, err := tables.Compile(policy, generation)
	if err != nil {
		return nil, err
	}
	regions := image.Regions()
	spec = spec.Copy()
	spec.MaxEntries = uint32(len(regions))
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("create policy: %w", err)
	}
	for i, region := range regions {
		if err := m.Put(uint32(i), region); err != nil {
			return nil, errors.Join(fmt.Errorf("write policy: %w", err), m.Close())
		}
	}
	return m, nil
}

// givePolicy has frames judged by a policy from now on.
func givePolicy(policies, policy *ebpf.Map) error {
	if err := policies.Put(uint32(0), policy); err != nil {
		return fmt.Errorf("give policy: %w", err)
	}
	return nil
}

// policyBytes returns the kernel memory of a policy.
func policyBytes(policy *ebpf.Map) int64 { return int64(policy.MaxEntries()) * tables.RegionBytes }
