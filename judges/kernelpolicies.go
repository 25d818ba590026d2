package judges

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// kernelPolicies are the maps of regions of a sequence's policies. All programs
// share them, since none is smaller than 4 MiB.
type kernelPolicies struct {
	of   *policies
	made []*ebpf.Map // for each of `of`, once it is needed; nil: not yet
}

// take makes room for other policies.
func (k *kernelPolicies) take(of *policies) error {
	if k.of == of {
		return nil
	}
	err := k.close()
	k.of, k.made = of, make([]*ebpf.Map, len(of.list))
	return err
}

// at returns the map of a policy. spec is that of a map of one region.
func (k *kernelPolicies) at(index int, spec *ebpf.MapSpec) (*ebpf.Map, error) {
	if k.made[index] == nil {
		m, err := newRegions(spec, k.of.images[index].Regions())
		if err != nil {
			return nil, fmt.Errorf("make policy %d: %w", index, err)
		}
		k.made[index] = m
	}
	return k.made[index], nil
}

func newRegions(spec *ebpf.MapSpec, regions [][]byte) (*ebpf.Map, error) {
	spec = spec.Copy()
	spec.MaxEntries = uint32(len(regions))
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, err
	}
	for i, region := range regions {
		if err := m.Put(uint32(i), region); err != nil {
			return nil, errors.Join(fmt.Errorf("fill region %d: %w", i, err), m.Close())
		}
	}
	return m, nil
}

func (k *kernelPolicies) close() error {
	var errs []error
	for _, m := range k.made {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	*k = kernelPolicies{}
	return errors.Join(errs...)
}

// setPolicy has the program judge by a policy, as loader.Program.SetPolicy does:
// by one write.
func (p *kernelProgram) setPolicy(policy *ebpf.Map) error {
	if p.policy == policy {
		return nil
	}
	if err := p.Policies.Put(uint32(0), policy); err != nil {
		return fmt.Errorf("set policy: %w", err)
	}
	p.policy = policy
	return nil
}
