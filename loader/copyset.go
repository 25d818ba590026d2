package loader

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/mirror"
)

// copySets returns the sets of veths of which a policy's sessions want copies.
func copySets(policy *mirror.Policy) map[mirror.OutputSet]bool {
	sets := make(map[mirror.OutputSet]bool)
	for i := range policy.Sessions {
		if set := policy.CopySet(&policy.Sessions[i]); set != 0 {
			sets[set] = true
		}
	}
	return sets
}

// makeCopySets adds the sets that a policy is going to name. A set that is there
// is filled again, since a veth may have been made anew.
func (p *Program) makeCopySets(policy *mirror.Policy) error {
	for set := range copySets(policy) {
		if err := p.makeCopySet(set); err != nil {
			return fmt.Errorf("make set of veths %b: %w", set, err)
		}
	}
	return nil
}

func (p *Program) makeCopySet(set mirror.OutputSet) error {
	ports, err := p.craft.copySetMap()
	if err != nil {
		return fmt.Errorf("create map: %w", err)
	}
	defer ports.Close()
	for i, slot := range set.Slots() {
		veth := p.vethIn(slot)
		if veth == nil {
			continue // it will be there, or its packets are counted as lost
		}
		if err := ports.Put(uint32(i), uint32(veth.pair.Index)); err != nil {
			return fmt.Errorf("lead to veth %q: %w", veth.Name, err)
		}
	}
	if err := p.maps.CopySets.Put(uint32(set), ports); err != nil {
		return fmt.Errorf("put map: %w", err)
	}
	return nil
}

// refillCopySets has the sets with a slot lead to the veth that the slot has now.
func (p *Program) refillCopySets(slot int) error {
	var errs []error
	for _, set := range p.heldCopySets() {
		if set.Has(slot) {
			errs = append(errs, p.makeCopySet(set))
		}
	}
	return errors.Join(errs...)
}

// dropCopySets removes the sets that a policy, which is in effect, does not name.
func (p *Program) dropCopySets(policy *mirror.Policy) error {
	wanted := copySets(policy)
	var errs []error
	for _, set := range p.heldCopySets() {
		if wanted[set] {
			continue
		}
		if err := p.maps.CopySets.Delete(uint32(set)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			errs = append(errs, fmt.Errorf("drop set of veths %b: %w", set, err))
		}
	}
	return errors.Join(errs...)
}

// heldCopySets returns the sets that there are maps of.
func (p *Program) heldCopySets() (held []mirror.OutputSet) {
	var set mirror.OutputSet
	var id uint32
	for sets := p.maps.CopySets.Iterate(); sets.Next(&set, &id); {
		held = append(held, set)
	}
	return held
}
