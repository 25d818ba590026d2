package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/loader/pair"
)

// end is one end of a veth.
type end int

const (
	sinkEnd   end = iota // ours, where nothing is to come back
	arriveEnd            // the consumer's
	endMax
)

// String is the end's name among the pins.
func (e end) String() string { return [endMax]string{"sink", "arrive"}[e] }

func (e end) program() string {
	return [endMax]string{bpf.XdpeelProgXdpeelSink, bpf.XdpeelProgXdpeelArrive}[e]
}

// ends is a set of them.
type ends uint32

func (s ends) has(e end) bool { return s&(1<<e) != 0 }
func (s ends) count() int     { return bits.OnesCount32(uint32(s)) }

// builtVeth is a pair with all that takes capabilities done to it.
type builtVeth struct {
	pair     *pair.Pair
	programs [endMax]*ebpf.Program
	links    [endMax]link.Link // of the ends that were missing
	probe    *ebpf.Program     // sends the self-test
}

// close closes what nobody took.
func (b *builtVeth) close() error {
	var errs []error
	for e := range endMax {
		errs = append(errs, b.programs[e].Close())
		if b.links[e] != nil {
			errs = append(errs, b.links[e].Close())
		}
	}
	errs = append(errs, b.probe.Close())
	if b.pair != nil {
		errs = append(errs, b.pair.Close())
	}
	return errors.Join(errs...)
}

func (w *workshop) buildVeth(o VethOptions, missing ends) (*builtVeth, error) {
	if o.PeerNamespace != "" && !hasCapability(unix.CAP_SYS_ADMIN) {
		return nil, lacking("CAP_SYS_ADMIN")
	}
	b := new(builtVeth)
	var err error
	if b.pair, err = pair.Open(o.Options); err != nil {
		return nil, err
	}
	if err := w.furnish(b, o, missing); err != nil {
		if !b.pair.Adopted {
			err = errors.Join(err, b.pair.Remove())
		}
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// furnish puts the programs at the ends, which a frame needs to get through.
func (w *workshop) furnish(b *builtVeth, o VethOptions, missing ends) (err error) {
	constants := w.constants
	constants.Slot, constants.SelfTest = uint32(o.Slot), w.selfTest
	for e := range endMax {
		if b.programs[e], err = w.load(e.program(), withFragments, constants); err != nil {
			return err
		}
	}
	if b.probe, err = w.load(bpf.XdpeelProgXdpeelProbe, withFragments, constants); err != nil {
		return err
	}
	if missing.has(sinkEnd) {
		if b.links[sinkEnd], err = attachEnd(b.programs[sinkEnd], b.pair.Index); err != nil {
			return fmt.Errorf("close our end %q for what comes back: %w", o.Name, err)
		}
	}
	if missing.has(arriveEnd) {
		err := b.pair.Do(func() (err error) {
			b.links[arriveEnd], err = attachEnd(b.programs[arriveEnd], b.pair.PeerIndex)
			return err
		})
		if err != nil {
			return fmt.Errorf("watch the consumer's end %q: %w", o.Peer, err)
		}
	}
	if err := w.seal(b.pair, constants); err != nil {
		return err
	}
	if err := errors.Join(b.pair.Await(), b.pair.Leave()); err != nil {
		return err
	}
	if o.Queues > 1 {
		return w.openLanes(o.Queues)
	}
	return nil
}

// attachEnd puts a program on an interface of the calling thread's network namespace.
func attachEnd(program *ebpf.Program, index int) (held link.Link, err error) {
	for deadline := time.Now().Add(busyPatience); ; time.Sleep(10 * time.Millisecond) {
		held, err = link.AttachXDP(link.XDPOptions{Program: program, Interface: index, Flags: link.XDPDriverMode})
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return held, err
		}
	}
}

// seal keeps the host's protocols away from both ends. The filters go with the
// interfaces.
func (w *workshop) seal(p *pair.Pair, constants bpf.XdpeelConfig) error {
	program, err := w.load(bpf.XdpeelProgXdpeelSeal, withoutFragments, constants)
	if err != nil {
		return err
	}
	defer program.Close()
	home, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer home.Close()
	if err := shut(home, p.Index, netlink.HANDLE_MIN_EGRESS, program); err != nil {
		return fmt.Errorf("seal our end %q: %w", p.Name, err)
	}
	if err := shut(p.PeerHandle(), p.PeerIndex, netlink.HANDLE_MIN_INGRESS, program); err != nil {
		return fmt.Errorf("seal the consumer's end %q: %w", p.Peer, err)
	}
	return nil
}

// shut has a program decide about all that goes through an interface in one
// direction. (A filter of the traffic control subsystem rather than a tcx link,
// which Linux 6.1 does not have.)
func shut(handle *netlink.Handle, index int, direction uint32, program *ebpf.Program) error {
	qdisc := &netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT},
		QdiscType:  "clsact",
	}
	if err := handle.QdiscAdd(qdisc); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add clsact: %w", err)
	}
	filter := &netlink.BpfFilter{
		FilterAttrs:  netlink.FilterAttrs{LinkIndex: index, Parent: direction, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1},
		Fd:           program.FD(),
		Name:         bpf.XdpeelProgXdpeelSeal,
		DirectAction: true,
	}
	if err := handle.FilterReplace(filter); err != nil {
		return fmt.Errorf("add filter: %w", err)
	}
	return nil
}

// laneQueue is how many frames may be on the way from one CPU to another; it is a
// multiple of the 256 frames that a veth takes, so that this is no narrower.
const laneQueue = 2048

// openLanes has the first n CPUs take frames from others.
func (w *workshop) openLanes(n int) error {
	for _, f := range bothKinds {
		if w.lanes[f] == nil {
			lane, err := w.load(bpf.XdpeelProgXdpeelLane, f, w.constants)
			if err != nil {
				return err
			}
			w.lanes[f] = lane
		}
		for cpu := range uint32(n) {
			// struct bpf_cpumap_val of linux/bpf.h.
			value := binary.NativeEndian.AppendUint32(nil, laneQueue)
			value = binary.NativeEndian.AppendUint32(value, uint32(w.lanes[f].FD()))
			if err := w.over[f][bpf.XdpeelMapLanes].Put(cpu, value); err != nil {
				return fmt.Errorf("have CPU %d take frames: %w", cpu, err)
			}
		}
	}
	return nil
}
