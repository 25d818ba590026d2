package loader

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Program is the kernel program and its maps, loaded but not attached.
type Program struct {
	spec       *ebpf.CollectionSpec
	maps       bpf.XdpeelMaps
	ways       map[fragments]*way
	loaded     map[fragments]*ebpf.Program // the main program, once it was needed
	rings      []*ring                     // of each CPU; behind them, where CPUs have one, their spills
	keep       *keep
	shop       *workshop
	helper     *helper // nil: this process has its capabilities
	craft      craft   // the shop, or the helper
	options    mirror.Options
	pins       *Pins    // nil: nothing is to outlive the process
	forgotten  []string // directories of pins that were taken over
	generation uint32   // of the policy; 0 before the first
	staysPut   bool     // frames are not moved to the CPU of their flow

	vethsMu sync.Mutex
	veths   [abi.LimitOutputs]*Veth  // by slot
	missing [abi.LimitOutputs]uint64 // packets that were lost on their way to a veth, as far as is known
}

// Load checks what the process may do and the kernel can, then creates the maps
// and rings, and sets the policy. It returns a *CapabilityError, an error that
// wraps ErrKernel, or what the kernel said.
func Load(o mirror.Options, policy *mirror.Policy) (*Program, error) {
	p, err := prepare(o)
	if err != nil {
		return nil, err
	}
	return p.finish(policy)
}

// prepare checks what the process may do and the kernel can.
func prepare(o mirror.Options) (*Program, error) {
	o, err := o.Complete()
	if err != nil {
		return nil, err
	}
	if err := checkCapabilities(); err != nil {
		return nil, err
	}
	if err := checkKernel(); err != nil {
		return nil, err
	}
	spec, err := bpf.LoadXdpeel()
	if err != nil {
		return nil, fmt.Errorf("read embedded object: %w", err)
	}
	shop := newWorkshop(spec, Config(o), rand.Uint64())
	return &Program{
		spec: spec, options: o, shop: shop, craft: shop,
		ways: make(map[fragments]*way), loaded: make(map[fragments]*ebpf.Program),
	}, nil
}

// finish creates the maps, or takes those that are pinned, and sets the policy.
func (p *Program) finish(policy *mirror.Policy) (*Program, error) {
	err := p.createMaps()
	if err == nil && p.Adopted() {
		p.generation, err = p.readGeneration()
	}
	if err == nil {
		err = p.SetPolicy(policy)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Compiler returns what compiled the embedded object, as "clang 19.1.7".
func Compiler() (string, error) {
	spec, err := bpf.LoadXdpeel()
	if err != nil {
		return "", fmt.Errorf("read embedded object: %w", err)
	}
	var compiler [16]byte
	if err := spec.Variables[bpf.XdpeelVarCompiler].Get(&compiler); err != nil {
		return "", fmt.Errorf("read compiler of embedded object: %w", err)
	}
	return unix.ByteSliceToString(compiler[:]), nil
}

// load loads the main program over the maps that exist already.
func (p *Program) load(f fragments) (*ebpf.Program, error) {
	if p.loaded[f] == nil {
		program, err := p.shop.load(bpf.XdpeelProgXdpeel, f, p.shop.constants)
		if err != nil {
			return nil, err
		}
		p.loaded[f] = program
	}
	return p.loaded[f].Clone()
}

// Close frees the maps and the rings. Attachments, veths and readers must be closed before.
func (p *Program) Close() error {
	var errs []error
	for _, way := range p.ways {
		errs = append(errs, way.close())
	}
	for _, program := range p.loaded {
		errs = append(errs, program.Close())
	}
	clear(p.loaded)
	errs = append(errs, p.shop.close())
	if p.helper != nil {
		errs = append(errs, p.helper.close())
		p.helper, p.craft = nil, p.shop
	}
	for _, ring := range p.rings {
		errs = append(errs, ring.close())
	}
	p.rings = nil
	if p.keep != nil {
		errs = append(errs, p.keep.close())
		p.keep = nil
	}
	errs = append(errs, p.maps.Close())
	if p.pins != nil {
		errs = append(errs, p.pins.Close())
	}
	return errors.Join(errs...)
}

// Unpin removes the pins, so that nothing outlives the process.
func (p *Program) Unpin() error {
	if p.pins == nil {
		return nil
	}
	return removePins(p.pins.dir)
}
