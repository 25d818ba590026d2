package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/loader/tables"
	"github.com/xdpeel/xdpeel/mirror"
)

// LoadPinned is Load for a program that stays when the process is gone, however it
// went: its maps are those that an earlier process left behind under the same
// pins, with all that they counted and hold. The pins are the program's now.
func LoadPinned(o mirror.Options, policy *mirror.Policy, pins *Pins) (*Program, error) {
	p, err := prepare(o)
	if err != nil {
		return nil, errors.Join(err, pins.Close())
	}
	p.pins = pins
	if !pins.adopted { // of a process that was killed before it had attached
		if err := clearPins(pins.dir); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p.finish(policy)
}

// Adopted says whether the maps are those of an earlier process.
func (p *Program) Adopted() bool { return p.pins != nil && p.pins.adopted }

// readGeneration returns that of the policy that is in effect, or of one that was
// about to be. (The kernel tells the map of a map's entry to CAP_SYS_ADMIN alone, so
// there is a pin of it.)
func (p *Program) readGeneration() (uint32, error) {
	policy, err := p.pins.load(policyPin)
	if err == nil && policy == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return 0, fmt.Errorf("open policy in effect: %w", err)
	}
	defer policy.Close()
	region := make([]byte, policy.ValueSize())
	if err := policy.Lookup(uint32(0), region); err != nil {
		return 0, fmt.Errorf("read policy in effect: %w", err)
	}
	return tables.GenerationOf(region), nil
}

// adopt returns the attachment to an interface that an earlier process left behind,
// with the program exchanged for this one between two frames; nil without one, or
// where it is not as it is wished for.
func (p *Program) adopt(iface netlink.Link, mode Mode) (*Attachment, error) {
	if p.pins == nil {
		return nil, nil
	}
	name := linkPrefix + iface.Attrs().Name
	held, err := p.pins.loadLink(name)
	if err == nil && held == nil {
		held, err = p.takeOver(iface)
	}
	if err != nil || held == nil {
		return nil, err
	}
	if current := modeOf(iface); mode == ModeAuto && current == ModeNative || mode == current {
		attached, err := p.exchange(iface, held, current)
		if err != nil || attached != nil {
			return attached, err
		}
	}
	return nil, errors.Join(held.Unpin(), held.Detach(), held.Close())
}

// exchange puts this program in the place of a link's, as the kernel lets it.
func (p *Program) exchange(iface netlink.Link, held link.Link, mode Mode) (*Attachment, error) {
	for _, f := range bothKinds {
		program, err := p.load(f)
		if err != nil {
			return nil, err
		}
		if held.Update(program) == nil {
			return p.newAttachment(iface, mode, held, program, true)
		}
		// Another attach type, or a driver that takes no frames of several buffers.
		if err := program.Close(); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// modeOf returns the mode in which an interface carries its program.
func modeOf(iface netlink.Link) Mode {
	current, err := netlink.LinkByIndex(iface.Attrs().Index)
	if err == nil && current.Attrs().Xdp != nil && current.Attrs().Xdp.AttachMode == nl.XDP_ATTACHED_SKB {
		return ModeGeneric
	}
	return ModeNative
}

// takeOver finds the link to an interface that is pinned elsewhere: by a build with
// maps of another form, or for another set of interfaces. The link is pinned here
// now; what else is there goes with Tidy, counters and rings included: of these the
// packets are counted.
func (p *Program) takeOver(iface netlink.Link) (link.Link, error) {
	held, other, err := p.pins.takeLink(linkPrefix + iface.Attrs().Name)
	if err != nil || held == nil {
		return nil, err
	}
	if !slices.Contains(p.forgotten, other) {
		p.forgotten = append(p.forgotten, other)
	}
	return held, nil
}

// Tidy removes what an earlier process left behind and this one, which has attached
// to all its interfaces and opened all its veths, does not use: the program on other
// interfaces, and other veths. It returns what was in the rings that went with it.
func (p *Program) Tidy() (left []LeftBehind, err error) {
	if p.pins == nil {
		return nil, nil
	}
	open := make(map[string]bool)
	for slot := range abi.LimitOutputs {
		if v := p.vethIn(slot); v != nil {
			open[v.Name] = true
		}
	}
	errs := []error{p.pins.removeVeths(func(name string) bool { return !open[name] })}
	for _, dir := range p.forgotten {
		one, err := (&Pins{dir: dir}).abandon()
		left, errs = append(left, one), append(errs, err)
	}
	return left, errors.Join(errs...)
}
