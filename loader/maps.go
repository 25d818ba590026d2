package loader

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
)

// createMaps creates all maps, or takes those that are pinned, and maps the rings and
// what is kept for a successor.
func (p *Program) createMaps() error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count possible CPUs: %w", err)
	}
	sizeMaps(p.spec, cpus)
	if err := p.assignMaps(); err != nil {
		return err
	}
	if p.keep, err = openKeep(&p.maps, ringsOf(cpus)); err != nil {
		return err
	}
	if err := p.openRings(cpus); err != nil {
		return err
	}
	if err := p.makeWays(); err != nil {
		return err
	}
	for _, f := range bothKinds {
		p.shop.over[f] = p.mapsFor(f)
	}
	return nil
}

// sizeMaps has the maps be as large as this host's CPUs want them.
func sizeMaps(spec *ebpf.CollectionSpec, cpus int) {
	ring, spill := ringSizes(cpus)
	// A map of rings wants a size of them also if there are none to be.
	for name, size := range map[string]uint32{bpf.XdpeelMapRings: ring, bpf.XdpeelMapSpills: max(spill, ringMin)} {
		spec.Maps[name].MaxEntries, spec.Maps[name].InnerMap.MaxEntries = uint32(cpus), size
	}
	spec.Maps[bpf.XdpeelMapTakings].MaxEntries = takingsWords(ringsOf(cpus))
	spec.Maps[bpf.XdpeelMapLanes].MaxEntries = uint32(min(cpus, abi.LimitLanes))
}

// assignMaps creates the object's maps, or takes those that are pinned.
func (p *Program) assignMaps() error {
	held := make(map[string]*ebpf.Map)
	defer func() {
		for _, m := range held {
			m.Close() // the collection has a handle of its own
		}
	}()
	if p.pins != nil {
		for name := range mapNames(p.spec) {
			m, err := p.adoptMap(name, func() (*ebpf.Map, error) { return ebpf.NewMap(p.spec.Maps[name]) })
			if err != nil {
				return fmt.Errorf("create map %s: %w", name, err)
			}
			held[name] = m
		}
	}
	if err := p.spec.LoadAndAssign(&p.maps, &ebpf.CollectionOptions{MapReplacements: held}); err != nil {
		return fmt.Errorf("create maps: %w", err)
	}
	return nil
}

// openRings opens the rings of all CPUs and then, where they have them, their spills.
func (p *Program) openRings(cpus int) error {
	kinds := []struct {
		prefix, name string
		outer        *ebpf.Map
	}{
		{ringPrefix, bpf.XdpeelMapRings, p.maps.Rings},
		{spillPrefix, bpf.XdpeelMapSpills, p.maps.Spills},
	}
	for i := range ringsOf(cpus) {
		kind, cpu := kinds[i/cpus], i%cpus
		ring, err := p.openRing(i, fmt.Sprint(kind.prefix, cpu), p.spec.Maps[kind.name].InnerMap)
		if err != nil {
			return fmt.Errorf("create %s%d: %w", kind.prefix, cpu, err)
		}
		p.rings = append(p.rings, ring)
		if err := kind.outer.Put(uint32(cpu), ring.buffer); err != nil {
			return fmt.Errorf("give %s%d to its CPU: %w", kind.prefix, cpu, err)
		}
	}
	return nil
}

// openRing creates the ring of a name, or takes the one that is pinned, with the packets
// in it. It is the one at an index in the takings.
func (p *Program) openRing(index int, name string, spec *ebpf.MapSpec) (*ring, error) {
	buffer, err := p.adoptMap(name, func() (*ebpf.Map, error) { return ebpf.NewMap(spec) })
	if err != nil {
		return nil, err
	}
	ring, err := newRing(buffer)
	if err != nil {
		return nil, err
	}
	ring.position = max(ring.position, p.keep.takings.position(index))
	return ring, nil
}

// adoptMap returns the map of a name: pinned, where there are pins, and the one
// that was left behind, where one was.
func (p *Program) adoptMap(name string, make func() (*ebpf.Map, error)) (*ebpf.Map, error) {
	if p.pins == nil {
		return make()
	}
	m, err := p.pins.load(name)
	if err != nil || m != nil {
		return m, err
	}
	if m, err = make(); err != nil {
		return nil, err
	}
	if err := m.Pin(p.pins.path(name)); err != nil {
		return nil, errors.Join(fmt.Errorf("pin map %s: %w", name, err), m.Close())
	}
	return m, nil
}

// mapNames are those of the maps that are kept; constants are each program's own.
func mapNames(spec *ebpf.CollectionSpec) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for name := range spec.Maps {
			if !strings.HasPrefix(name, ".") && !yield(name) {
				return
			}
		}
	}
}

// mapsFor are the maps that programs of a kind are loaded over, by their names.
func (p *Program) mapsFor(f fragments) map[string]*ebpf.Map {
	over := make(map[string]*ebpf.Map)
	maps := reflect.ValueOf(p.maps)
	for i := range maps.NumField() {
		over[maps.Type().Field(i).Tag.Get("ebpf")] = maps.Field(i).Interface().(*ebpf.Map)
	}
	over[bpf.XdpeelMapVethPorts], over[bpf.XdpeelMapLanes] = p.ways[f].ports, p.ways[f].lanes
	return over
}
