package loader

import (
	"encoding/binary"
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
	ways       [2]*way                     // by fragments
	loaded     map[fragments]*ebpf.Program // the main program, once it was needed
	rings      []*ring
	keep       *keep
	shop       *workshop
	helper     *Helper // nil: this process has its capabilities
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
	return &Program{spec: spec, options: o, loaded: make(map[fragments]*ebpf.Program), shop: shop, craft: shop}, nil
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
	for _, f := range []fragments{withFragments, withoutFragments} {
		p.shop.over[f] = p.replacements(f)
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

// replacements are the maps that a program is loaded over.
func (p *Program) replacements(f fragments) map[string]*ebpf.Map {
	way := p.way(f)
	return map[string]*ebpf.Map{
		bpf.XdpeelMapAccountsGiven: p.maps.AccountsGiven,
		bpf.XdpeelMapBooks:         p.maps.Books,
		bpf.XdpeelMapCopySets:      p.maps.CopySets,
		bpf.XdpeelMapFlights:       p.maps.Flights,
		bpf.XdpeelMapFragments:     p.maps.Fragments,
		bpf.XdpeelMapLanes:         way.lanes,
		bpf.XdpeelMapLedger:        p.maps.Ledger,
		bpf.XdpeelMapNotes:         p.maps.Notes,
		bpf.XdpeelMapPolicies:      p.maps.Policies,
		bpf.XdpeelMapRings:         p.maps.Rings,
		bpf.XdpeelMapScratch:       p.maps.Scratch,
		bpf.XdpeelMapSessionCounts: p.maps.SessionCounts,
		bpf.XdpeelMapSessions:      p.maps.Sessions,
		bpf.XdpeelMapSheets:        p.maps.Sheets,
		bpf.XdpeelMapStrangers:     p.maps.Strangers,
		bpf.XdpeelMapTakings:       p.maps.Takings,
		bpf.XdpeelMapVethAccounts:  p.maps.VethAccounts,
		bpf.XdpeelMapVethPorts:     way.ports,
		bpf.XdpeelMapVeths:         p.maps.Veths,
	}
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
		errs = append(errs, p.helper.Close())
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
