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
	rings := p.spec.Maps[bpf.XdpeelMapRings]
	if err := p.assignMaps(); err != nil {
		return err
	}
	if p.keep, err = openKeep(&p.maps, cpus); err != nil {
		return err
	}
	for cpu := range cpus {
		ring, err := p.openRing(cpu, rings.InnerMap)
		if err != nil {
			return fmt.Errorf("create ring of CPU %d: %w", cpu, err)
		}
		p.rings = append(p.rings, ring)
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
	rings := spec.Maps[bpf.XdpeelMapRings]
	rings.MaxEntries = uint32(cpus)
	rings.InnerMap.MaxEntries = ringSize(cpus)
	spec.Maps[bpf.XdpeelMapTakings].MaxEntries = takingsWords(cpus)
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

// openRing creates the ring of a CPU and has the program know it, or takes the one
// that is pinned, with the packets in it.
func (p *Program) openRing(cpu int, spec *ebpf.MapSpec) (*ring, error) {
	buffer, err := p.adoptMap(fmt.Sprint(ringPrefix, cpu), func() (*ebpf.Map, error) { return ebpf.NewMap(spec) })
	if err != nil {
		return nil, err
	}
	ring, err := newRing(buffer)
	if err != nil {
		return nil, err
	}
	ring.position = max(ring.position, p.keep.takings.position(cpu))
	if err := p.maps.Rings.Put(uint32(cpu), buffer); err != nil {
		return nil, errors.Join(fmt.Errorf("give ring to CPU: %w", err), ring.close())
	}
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
