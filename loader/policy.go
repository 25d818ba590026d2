package loader

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/loader/tables"
	"github.com/xdpeel/xdpeel/mirror"
)

// SetPolicy has every frame from now on judged by policy. The change is one
// write: a frame that is being judged is judged by the old one to its end. Where
// it fails, the old policy stays. It returns once no frame is judged by the old
// one any more.
func (p *Program) SetPolicy(policy *mirror.Policy) error {
	if err := policy.Check(); err != nil {
		return err
	}
	image, err := tables.Compile(policy, p.generation+1)
	if err != nil {
		return err
	}
	next, err := p.newPolicyMap(image)
	if err != nil {
		return fmt.Errorf("write policy: %w", err)
	}
	if err := p.makeCopySets(policy); err != nil {
		return errors.Join(err, next.Close())
	}
	if p.pins != nil {
		if err := p.pins.pinPolicy(next); err != nil {
			return errors.Join(err, next.Close())
		}
	}
	if err := p.maps.Policies.Put(uint32(0), next); err != nil {
		return errors.Join(fmt.Errorf("set policy: %w", err), next.Close())
	}
	p.generation++
	return errors.Join(p.dropCopySets(policy), next.Close())
}

// newPolicyMap returns a map of as many regions as the policy needs.
func (p *Program) newPolicyMap(image *tables.Image) (*ebpf.Map, error) {
	regions := image.Regions()
	m, err := p.craft.policyMap(len(regions))
	if err != nil {
		return nil, fmt.Errorf("create map of %d regions: %w", len(regions), err)
	}
	for i, region := range regions {
		if err := m.Put(uint32(i), region); err != nil {
			return nil, errors.Join(fmt.Errorf("fill region %d: %w", i, err), m.Close())
		}
	}
	return m, nil
}
