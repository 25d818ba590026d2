package loader

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/loader/pair"
	"github.com/xdpeel/xdpeel/mirror"
)

// VethOptions say what a veth output is to be.
type VethOptions struct {
	pair.Options
	Slot   int  // of the output
	Tagged bool // frames carry their session's VLAN tag
}

// Check returns an error that names what cannot be.
func (o *VethOptions) Check() error {
	if o.Slot < 0 || o.Slot >= abi.LimitOutputs {
		return fmt.Errorf("there is no slot %d", o.Slot)
	}
	return o.Options.Check()
}

// Veth is a pair of interfaces that the program sends whole frames into, and the
// programs at its ends. One goroutine may use it at a time. All that takes
// capabilities is its making and its removal.
type Veth struct {
	VethOptions
	program *Program
	pair    *pair.Pair
	links   [endMax]link.Link // hold the programs at the ends
	probe   *ebpf.Program     // sends the self-test
	adopted bool              // the pair was there before
}

// vlanTag is what the kernel lets a frame be longer than its interface's MTU and
// Ethernet header, in bytes (VLAN_HLEN).
const vlanTag = 4

// OpenVeth makes the pair, or takes over the one that is there, and has the slot's
// packets go there. The veth of a slot must be closed before another is opened. It
// returns an error that wraps pair.ErrForeign if one of that name is another's, or
// pair.ErrNoNamespace, or a *CapabilityError. If it fails, a pinned veth that was there is fed as it was.
func (p *Program) OpenVeth(o VethOptions) (*Veth, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	v := &Veth{VethOptions: o, program: p}
	err := v.build()
	if err == nil {
		err = v.feed()
	}
	switch {
	case err == nil:
		return v, nil
	case v.pair == nil || v.adopted && p.pins != nil:
		p.setVeth(v.Slot, nil)
		return nil, errors.Join(err, v.Leave())
	case v.adopted:
		return nil, errors.Join(err, v.Close())
	}
	return nil, errors.Join(err, v.Remove())
}

// build has the pair made, and holds the programs at its ends: those that an earlier
// process has pinned there are exchanged.
func (v *Veth) build() error {
	if err := v.findPinned(); err != nil {
		return err
	}
	for {
		built, err := v.program.craft.buildVeth(v.VethOptions, v.missing())
		if err != nil {
			return err
		}
		if v.pair == nil {
			v.pair, v.adopted, built.pair = built.pair, built.pair.Adopted, nil
			v.probe, built.probe = built.probe, nil
		}
		err = errors.Join(v.fit(built), built.close())
		if err != nil || v.missing() == 0 {
			return err
		}
	}
}

// findPinned takes the links that an earlier process has pinned.
func (v *Veth) findPinned() error {
	pins := v.program.pins
	if pins == nil {
		return nil
	}
	for e := range endMax {
		held, err := pins.loadLink(vethPin(v.Name, e))
		if err == nil && held == nil {
			held, _, err = pins.takeLink(vethPin(v.Name, e))
		}
		if err != nil {
			return err
		}
		if held != nil { // else the interface would not be nil
			v.links[e] = held
		}
	}
	return nil
}

// missing are the ends that no link of ours holds a program at.
func (v *Veth) missing() (missing ends) {
	for e, held := range v.links {
		if held == nil {
			missing |= 1 << e
		}
	}
	return missing
}

// fit takes the links that were made, and has the others hold the new programs. An end
// where that cannot be is missing afterwards.
func (v *Veth) fit(built *builtVeth) error {
	for e := range endMax {
		if made := built.links[e]; made != nil {
			v.links[e], built.links[e] = made, nil
			if v.program.pins == nil {
				continue
			}
			if err := made.Pin(v.program.pins.path(vethPin(v.Name, e))); err != nil {
				return fmt.Errorf("pin: %w", err)
			}
			continue
		}
		if v.links[e].Update(built.programs[e]) == nil {
			continue
		}
		// It holds a program of another kind, or is of a pair that is gone.
		held := v.links[e]
		v.links[e] = nil
		if err := errors.Join(unpin(held), held.Detach(), held.Close()); err != nil {
			return err
		}
	}
	return nil
}

// feed lets frames come.
func (v *Veth) feed() error {
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
	if v.program.pins != nil {
		errs = append(errs, v.program.pins.unpinVeth(v.Name))
	}
	return errors.Join(append(errs, v.Leave())...)
}

// Leave lets go of the veth as it is: if the program is pinned it goes on feeding it.
func (v *Veth) Leave() error {
	errs := []error{v.probe.Close()}
	for e, held := range v.links {
		if held != nil {
			errs = append(errs, held.Close())
		}
		v.links[e] = nil
	}
	if v.pair != nil {
		errs = append(errs, v.pair.Close())
	}
	return errors.Join(errs...)
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
	return errors.Join(v.program.craft.removeVeth(v.pair), v.Close())
}
