package loader

import (
	"encoding/binary"
	"errors"
	"fmt"

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
	rings      []*ring
	options    mirror.Options
	generation uint32 // of the policy; 0 before the first
}

// Load checks what the process may do and the kernel can, then creates the maps
// and rings, and sets the policy. It returns a *CapabilityError, an error that
// wraps ErrKernel, or what the kernel said.
func Load(o mirror.Options, policy *mirror.Policy) (*Program, error) {
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
	if err := configure(spec, o); err != nil {
		return nil, err
	}
	p := &Program{spec: spec, options: o}
	if err := p.createMaps(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.SetPolicy(policy); err != nil {
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

// configure writes the constants that are frozen at load (bpf/config.h).
func configure(spec *ebpf.CollectionSpec, o mirror.Options) error {
	if err := spec.Variables[bpf.XdpeelVarCfg].Set(Config(o)); err != nil {
		return fmt.Errorf("set constants: %w", err)
	}
	return nil
}

// Config returns the program's constants for options that are complete.
func Config(o mirror.Options) bpf.XdpeelConfig {
	return bpf.XdpeelConfig{
		SnapLength: uint32(o.SnapLength),
		VxlanPorts: networkPorts(o.VXLANPorts), GenevePorts: networkPorts(o.GENEVEPorts),
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
	rings := p.spec.Maps[bpf.XdpeelMapRings]
	rings.MaxEntries = uint32(cpus)
	rings.InnerMap.MaxEntries = ringSize(cpus)
	if err := p.spec.LoadAndAssign(&p.maps, nil); err != nil {
		return fmt.Errorf("create maps: %w", err)
	}
	for cpu := range cpus {
		ring, err := newRing(rings.InnerMap)
		if err != nil {
			return fmt.Errorf("create ring of CPU %d: %w", cpu, err)
		}
		p.rings = append(p.rings, ring)
		if err := p.maps.Rings.Put(uint32(cpu), ring.buffer); err != nil {
			return fmt.Errorf("give ring to CPU %d: %w", cpu, err)
		}
	}
	return nil
}

// fragments says whether a program is loaded for frames of several buffers.
type fragments bool

const (
	withFragments    fragments = true
	withoutFragments fragments = false
)

// load loads the program over the maps that exist already.
func (p *Program) load(f fragments) (*ebpf.Program, error) {
	spec := p.spec.Copy()
	if !f {
		spec.Programs[bpf.XdpeelProgXdpeel].Flags &^= bpfXDPHasFrags
	}
	collection, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: map[string]*ebpf.Map{
			bpf.XdpeelMapAccountsGiven: p.maps.AccountsGiven,
			bpf.XdpeelMapFragments:     p.maps.Fragments,
			bpf.XdpeelMapLedger:        p.maps.Ledger,
			bpf.XdpeelMapPolicies:      p.maps.Policies,
			bpf.XdpeelMapRings:         p.maps.Rings,
			bpf.XdpeelMapScratch:       p.maps.Scratch,
			bpf.XdpeelMapSessionCounts: p.maps.SessionCounts,
			bpf.XdpeelMapSessions:      p.maps.Sessions,
			bpf.XdpeelMapStrangers:     p.maps.Strangers,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	defer collection.Close()
	return collection.DetachProgram(bpf.XdpeelProgXdpeel), nil
}

// bpfXDPHasFrags is BPF_F_XDP_HAS_FRAGS of linux/bpf.h.
const bpfXDPHasFrags = 1 << 5

// Close frees the maps and the rings. Attachments and readers must be closed before.
func (p *Program) Close() error {
	var errs []error
	for _, ring := range p.rings {
		errs = append(errs, ring.close())
	}
	p.rings = nil
	return errors.Join(append(errs, p.maps.Close())...)
}
