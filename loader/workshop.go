package loader

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/loader/pair"
)

// craft is what takes capabilities to make, and who makes it: the process itself, in
// its workshop, or its helper, which has another.
type craft interface {
	policyMap(regions int) (*ebpf.Map, error)
	copySetMap() (*ebpf.Map, error)
	packetSocket() (fd int, err error)
	// buildVeth makes a pair or finds it, loads the programs of its ends, and puts
	// those that are missing there. If it fails, a pair that was there stays.
	buildVeth(o VethOptions, missing ends) (*builtVeth, error)
	removeVeth(p *pair.Pair) error
}

// workshop makes things by the capabilities of its process.
type workshop struct {
	spec      *ebpf.CollectionSpec
	constants bpf.XdpeelConfig
	selfTest  uint64                             // what tells the frames of the self-test
	over      map[fragments]map[string]*ebpf.Map // the maps that programs are loaded over
	lanes     map[fragments]*ebpf.Program        // at the ends of lanes, once a veth needed them
}

func newWorkshop(spec *ebpf.CollectionSpec, constants bpf.XdpeelConfig, selfTest uint64) *workshop {
	return &workshop{
		spec: spec, constants: constants, selfTest: selfTest,
		over: make(map[fragments]map[string]*ebpf.Map), lanes: make(map[fragments]*ebpf.Program),
	}
}

// load loads one of the object's programs over the maps that exist already, with
// constants of its own.
func (w *workshop) load(name string, f fragments, constants bpf.XdpeelConfig) (*ebpf.Program, error) {
	spec := w.spec.Copy()
	for other := range spec.Programs {
		if other != name {
			delete(spec.Programs, other)
		}
	}
	if !f {
		spec.Programs[name].Flags &^= bpfXDPHasFrags
	}
	if err := spec.Variables[bpf.XdpeelVarCfg].Set(constants); err != nil {
		return nil, fmt.Errorf("set constants: %w", err)
	}
	collection, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: w.over[f]})
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", name, err)
	}
	defer collection.Close()
	return collection.DetachProgram(name), nil
}

// bpfXDPHasFrags is BPF_F_XDP_HAS_FRAGS of linux/bpf.h.
const bpfXDPHasFrags = 1 << 5

func (w *workshop) policyMap(regions int) (*ebpf.Map, error) {
	spec := w.spec.Maps[bpf.XdpeelMapPolicies].InnerMap.Copy()
	spec.MaxEntries = uint32(regions)
	return ebpf.NewMap(spec)
}

func (w *workshop) copySetMap() (*ebpf.Map, error) {
	return ebpf.NewMap(w.spec.Maps[bpf.XdpeelMapCopySets].InnerMap)
}

// packetSocket opens a socket of no protocol, to which nothing that arrives is copied,
// and which is bound to no interface yet.
func (w *workshop) packetSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EPERM) {
		return -1, lacking("CAP_NET_RAW")
	}
	if err != nil {
		return -1, fmt.Errorf("open packet socket: %w", err)
	}
	return fd, nil
}

func (w *workshop) removeVeth(p *pair.Pair) error { return p.Remove() }

func (w *workshop) close() error {
	var errs []error
	for _, lane := range w.lanes {
		errs = append(errs, lane.Close())
	}
	clear(w.lanes)
	return errors.Join(errs...)
}

// PacketSocket opens a socket that can send out of any interface of the network
// namespace, once it is bound to one; the caller closes it. It returns a
// *CapabilityError where CAP_NET_RAW is missing.
func (p *Program) PacketSocket() (fd int, err error) { return p.craft.packetSocket() }
