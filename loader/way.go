package loader

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
)

// fragments says whether a program is loaded for frames of several buffers.
type fragments bool

const (
	withFragments    fragments = true
	withoutFragments fragments = false
)

// bothKinds are the programs that there are of each, the better first.
var bothKinds = []fragments{withFragments, withoutFragments}

// way is what a frame is sent away by. The kernel lets a map that leads to
// interfaces or CPUs serve either programs for frames of several buffers or
// others, so there is one of each for both kinds; they hold the same.
type way struct {
	ports *ebpf.Map // veth_ports
	lanes *ebpf.Map // lanes
}

// makeWays makes both: the one with the maps that the object's were loaded with.
func (p *Program) makeWays() error {
	p.ways[withFragments] = &way{ports: p.maps.VethPorts, lanes: p.maps.Lanes}
	other := new(way)
	p.ways[withoutFragments] = other
	var err error
	if other.ports, err = p.singleMap(bpf.XdpeelMapVethPorts); err != nil {
		return fmt.Errorf("create map of veths: %w", err)
	}
	if other.lanes, err = p.singleMap(bpf.XdpeelMapLanes); err != nil {
		return fmt.Errorf("create map of CPUs: %w", err)
	}
	return nil
}

func (p *Program) singleMap(name string) (*ebpf.Map, error) {
	return p.adoptMap(singlePrefix+name, func() (*ebpf.Map, error) { return ebpf.NewMap(p.spec.Maps[name]) })
}

// stayPut has all frames stay on the CPU that they come to, from now on.
func (p *Program) stayPut() error {
	p.staysPut = true
	var errs []error
	for slot := range abi.LimitOutputs {
		if v := p.vethIn(slot); v != nil {
			errs = append(errs, v.announce())
		}
	}
	return errors.Join(errs...)
}

// lead has a slot lead to an interface of the calling thread's network namespace.
func (p *Program) lead(slot, index int) error {
	for _, way := range p.ways {
		if err := way.ports.Put(uint32(slot), uint32(index)); err != nil {
			return fmt.Errorf("lead to interface %d: %w", index, err)
		}
	}
	return nil
}

// leadNowhere undoes lead.
func (p *Program) leadNowhere(slot int) error {
	for _, way := range p.ways {
		if err := way.ports.Delete(uint32(slot)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("lead to no interface: %w", err)
		}
	}
	return nil
}

func (w *way) close() error {
	return errors.Join(w.ports.Close(), w.lanes.Close())
}
