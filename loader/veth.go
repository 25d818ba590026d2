package loader

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/loader/pair"
	"github.com/xdpeel/xdpeel/mirror"
)

// VethOptions say what a veth output is to be.
type VethOptions struct {
	pair.Options
	Slot   int  // of the output
	Tagged bool // frames carry their session's VLAN tag
}

// Veth is a pair of interfaces that the program sends whole frames into, and the
// programs at its ends. One goroutine may use it at a time.
type Veth struct {
	VethOptions
	program *Program
	pair    *pair.Pair
	ends    []end
}

// end is a program at one end of a veth.
type end struct {
	program *ebpf.Program
	link    link.Link
}

// vlanTag is what the kernel lets a frame be longer than its interface's MTU and
// Ethernet header, in bytes (VLAN_HLEN).
const vlanTag = 4

// OpenVeth makes the pair, or takes over the one that is there, and has the slot's
// packets go there. The veth of a slot must be closed before another is opened. It
// returns an error that wraps pair.ErrForeign if one of that name is another's.
func (p *Program) OpenVeth(o VethOptions) (v *Veth, err error) {
	v = &Veth{VethOptions: o, program: p}
	if v.pair, err = pair.Open(o.Options); err != nil {
		return nil, err
	}
	if err := v.open(); err != nil {
		if !v.pair.Adopted {
			err = errors.Join(err, v.pair.Remove())
		}
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// open puts the programs at the ends, which a frame needs to get through, and only
// then lets frames come.
func (v *Veth) open() error {
	if err := v.attach("sink", bpf.XdpeelProgXdpeelSink, v.pair.Index); err != nil {
		return fmt.Errorf("close our end %q for what comes back: %w", v.Name, err)
	}
	err := v.pair.Do(func() error { return v.attach("arrive", bpf.XdpeelProgXdpeelArrive, v.pair.PeerIndex) })
	if err != nil {
		return fmt.Errorf("watch the consumer's end %q: %w", v.Peer, err)
	}
	if err := v.seal(); err != nil {
		return err
	}
	if err := errors.Join(v.pair.Await(), v.pair.Leave()); err != nil {
		return err
	}
	if v.Queues > 1 {
		if err := v.program.openLanes(v.Queues); err != nil {
			return err
		}
	}
	if err := v.program.lead(v.Slot, v.pair.Index); err != nil {
		return err
	}
	if err := v.announce(); err != nil {
		return err
	}
	v.program.setVeth(v.Slot, v)
	return v.program.refillCopySets(v.Slot)
}

// announce tells the program that there is a veth now.
func (v *Veth) announce() error {
	value := bpf.XdpeelVeth{FrameMax: uint32(v.MTU + mirror.EthernetLength + vlanTag)}
	if v.Queues > 1 && !v.program.staysPut {
		value.Lanes = uint32(v.Queues)
	}
	if v.Tagged {
		value.Tagged = 1
	}
	if err := v.program.maps.Veths.Put(uint32(v.Slot), value); err != nil {
		return fmt.Errorf("announce veth %q: %w", v.Name, err)
	}
	return nil
}

// constants are those of the programs at this veth's ends.
func (v *Veth) constants() bpf.XdpeelConfig {
	constants := Config(v.program.options)
	constants.Slot, constants.SelfTest = uint32(v.Slot), v.program.selfTest
	return constants
}

// attach puts a program on an interface of the calling thread's network namespace,
// or in the place of the one that an earlier process has pinned there.
func (v *Veth) attach(which, name string, index int) error {
	program, err := v.program.loadProgram(name, withFragments, v.constants())
	if err != nil {
		return err
	}
	held, err := v.hold(which, program, index)
	if err != nil {
		return errors.Join(err, program.Close())
	}
	v.ends = append(v.ends, end{program, held})
	return nil
}

func (v *Veth) hold(which string, program *ebpf.Program, index int) (link.Link, error) {
	pins := v.program.pins
	name := vethPrefix + v.Name + "-" + which
	if pins != nil {
		held, err := pins.loadLink(name)
		if err == nil && held == nil {
			held, _, err = pins.takeLink(name)
		}
		if err != nil {
			return nil, err
		}
		if held != nil && held.Update(program) == nil {
			return held, nil
		}
		if held != nil { // a program of another kind
			if err := errors.Join(held.Unpin(), held.Detach(), held.Close()); err != nil {
				return nil, err
			}
		}
	}
	held, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: index, Flags: link.XDPDriverMode})
	if err != nil || pins == nil {
		return held, err
	}
	if err := held.Pin(pins.path(name)); err != nil {
		return nil, errors.Join(fmt.Errorf("pin: %w", err), held.Detach(), held.Close())
	}
	return held, nil
}

// seal keeps the host's protocols away from both ends. The filters go with the
// interfaces.
func (v *Veth) seal() error {
	program, err := v.program.loadProgram(bpf.XdpeelProgXdpeelSeal, withoutFragments, v.constants())
	if err != nil {
		return err
	}
	defer program.Close()
	home, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer home.Close()
	if err := shut(home, v.pair.Index, netlink.HANDLE_MIN_EGRESS, program); err != nil {
		return fmt.Errorf("seal our end %q: %w", v.Name, err)
	}
	if err := shut(v.pair.PeerHandle(), v.pair.PeerIndex, netlink.HANDLE_MIN_INGRESS, program); err != nil {
		return fmt.Errorf("seal the consumer's end %q: %w", v.Peer, err)
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

// vethIn returns the veth in a slot, nil without.
func (p *Program) vethIn(slot int) *Veth {
	p.vethsMu.Lock()
	defer p.vethsMu.Unlock()
	return p.veths[slot]
}

func (p *Program) setVeth(slot int, v *Veth) {
	p.vethsMu.Lock()
	defer p.vethsMu.Unlock()
	p.veths[slot] = v
}

// State tells whether the veth's ends are there and up.
func (v *Veth) State() pair.State { return v.pair.State() }

// Close lets go of the veth: no packet goes there any more. Its interfaces stay
// until Remove.
func (v *Veth) Close() error {
	v.program.setVeth(v.Slot, nil)
	errs := []error{v.program.maps.Veths.Put(uint32(v.Slot), bpf.XdpeelVeth{}), v.program.leadNowhere(v.Slot)}
	for _, e := range v.ends {
		if v.program.pins != nil {
			errs = append(errs, unpin(e.link))
		}
	}
	return errors.Join(append(errs, v.Leave())...)
}

// Leave lets go of the veth as it is: if the program is pinned it goes on feeding it.
func (v *Veth) Leave() error {
	var errs []error
	for _, e := range v.ends {
		errs = append(errs, e.link.Close(), e.program.Close())
	}
	v.ends = nil
	return errors.Join(append(errs, v.pair.Close())...)
}

// unpin has a link end with its process. It may be unpinned already.
func unpin(held link.Link) error {
	if err := held.Unpin(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Remove removes the veth's interfaces and closes it.
func (v *Veth) Remove() error {
	return errors.Join(v.pair.Remove(), v.Close())
}
