package main

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// Product is xdpeel's own kernel program without an interface, and with rings
// that the benchmark lays out.
type Product struct {
	objects bpf.XdpeelObjects
	rings   []*ebpf.Map // each once
}

// Layout says who has which ring.
type Layout bool

// The layouts.
const (
	OwnRings   Layout = false // one for each CPU, as in xdpeel
	SharedRing Layout = true  // one of all CPUs, with as much room as theirs together
)

// ringSize is that of a CPU's one ring here, in bytes: what loader gives a CPU on a small
// host besides, for when the reader is late.
const ringSize = 16 << 20

// LoadProduct loads the program as loader does, with a policy.
func LoadProduct(layout Layout, policy *mirror.Policy) (_ *Product, err error) {
	spec, err := bpf.LoadXdpeel()
	if err != nil {
		return nil, fmt.Errorf("read embedded object: %w", err)
	}
	p := new(Product)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := spec.Variables[bpf.XdpeelVarCfg].Set(loader.Config(mirror.Defaults())); err != nil {
		return nil, fmt.Errorf("set constants: %w", err)
	}
	cpus, err := prepareRings(spec, layout)
	if err != nil {
		return nil, err
	}
	if err := spec.LoadAndAssign(&p.objects, nil); err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	p.rings, err = giveRings(p.objects.Rings, spec.Maps[bpf.XdpeelMapRings].InnerMap, cpus, layout)
	if err != nil {
		return p, err
	}
	first, err := newPolicyMap(spec.Maps[bpf.XdpeelMapPolicies].InnerMap, policy, 1)
	if err != nil {
		return p, err
	}
	return p, errors.Join(givePolicy(p.objects.Policies, first), first.Close())
}

// prepareRings sets the sizes that are left open in the object.
func prepareRings(spec *ebpf.CollectionSpec, layout Layout) (cpus int, err error) {
	if cpus, err = ebpf.PossibleCPU(); err != nil {
		return 0, fmt.Errorf("count possible CPUs: %w", err)
	}
	rings := spec.Maps[bpf.XdpeelMapRings]
	rings.MaxEntries = uint32(cpus)
	rings.InnerMap.MaxEntries = ringSize
	if layout == SharedRing {
		for rings.InnerMap.MaxEntries < uint32(min(cpus, 8)*ringSize) {
			rings.InnerMap.MaxEntries *= 2
		}
	}
	return cpus, nil
}

// giveRings makes the rings and gives each CPU one. It returns those made, also
// with an error.
func giveRings(outer *ebpf.Map, spec *ebpf.MapSpec, cpus int, layout Layout) (rings []*ebpf.Map, err error) {
	for cpu := range cpus {
		if layout == OwnRings || cpu == 0 {
			ring, err := ebpf.NewMap(spec)
			if err != nil {
				return rings, fmt.Errorf("create ring: %w", err)
			}
			rings = append(rings, ring)
		}
		if err := outer.Put(uint32(cpu), rings[len(rings)-1]); err != nil {
			return rings, fmt.Errorf("give ring to CPU %d: %w", cpu, err)
		}
	}
	return rings, nil
}

// Close unloads the program.
func (p *Product) Close() error {
	errs := []error{p.objects.Close()}
	for _, ring := range p.rings {
		errs = append(errs, ring.Close())
	}
	return errors.Join(errs...)
}

// empty throws away what the rings hold.
func (p *Product) empty() error {
	for _, ring := range p.rings {
		if err := emptyRing(ring); err != nil {
			return err
		}
	}
	return nil
}

// emptyRing has a ring's consumer catch up with its producer: their positions
// are the first words of its first two pages (kernel/bpf/ringbuf.c).
func emptyRing(ring *ebpf.Map) error {
	page := os.Getpagesize()
	consumer, err := unix.Mmap(ring.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map ring: %w", err)
	}
	defer func() { _ = unix.Munmap(consumer) }()
	producer, err := unix.Mmap(ring.FD(), int64(page), page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map ring: %w", err)
	}
	defer func() { _ = unix.Munmap(producer) }()
	position := atomic.LoadUint64((*uint64)(unsafe.Pointer(&producer[0])))
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&consumer[0])), position)
	return nil
}

// ringRoom returns how many packets of an inner size a ring of ringSize holds with
// some to spare.
func ringRoom(size int) uint32 { return recordsIn(ringSize*95/100, size) }

// recordsIn returns how many packets of an inner size so many bytes of a ring hold.
func recordsIn(bytes, size int) uint32 {
	room := abi.RoomEthernet
	for _, smaller := range []int{abi.RoomMiddle, abi.RoomSmall, abi.RoomHeaders} {
		if size <= smaller {
			room = smaller
		}
	}
	record := 8 + int(unsafe.Sizeof(bpf.XdpeelPacket{})) + room
	return uint32(bytes / record)
}

// run has the program judge so many copies of a frame as live ones, and makes sure that
// each had the outcome that is wanted.
func (p *Product) run(ns *lab.Namespace, frame []byte, packets uint32, want abi.Outcome) (time.Duration, error) {
	before, _, err := p.counts()
	if err != nil {
		return 0, err
	}
	took, err := runLive(ns, p.objects.Xdpeel, receiverCPU, frame, packets)
	if err != nil {
		return 0, err
	}
	after, _, err := p.counts()
	if err != nil {
		return 0, err
	}
	if n := after[want] - before[want]; n != uint64(packets) {
		return 0, fmt.Errorf("%d of %d packets were %s", n, packets, want)
	}
	return took, nil
}

// counts returns the program's accounts.
func (p *Product) counts() (outcomes [abi.OutcomeMax]uint64, ringLost uint64, err error) {
	return countsOf(p.objects.Ledger)
}

// countsOf returns the accounts in a ledger, summed over the CPUs; ringLost of the
// first output, which is the only one here.
func countsOf(ledger *ebpf.Map) (outcomes [abi.OutcomeMax]uint64, ringLost uint64, err error) {
	var cpus []bpf.XdpeelAccounts
	if err := ledger.Lookup(uint32(0), &cpus); err != nil {
		return outcomes, 0, fmt.Errorf("read ledger: %w", err)
	}
	for _, cpu := range cpus {
		for outcome := range outcomes {
			outcomes[outcome] += cpu.Outcomes[outcome].Packets
		}
		for _, n := range cpu.RingLost[0] {
			ringLost += n
		}
	}
	return outcomes, ringLost, nil
}
