package loader

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Mode is where in the receive path the program runs.
type Mode string

// The modes. ModeAuto is a wish only: what is attached is native or generic.
const (
	ModeAuto    Mode = "auto"    // native if the driver can, else generic
	ModeNative  Mode = "native"  // in the driver, before the kernel has made a socket buffer
	ModeGeneric Mode = "generic" // in the network stack, on a copy if need be: works on any interface, slower
)

// ErrGone says that the interface went away.
var ErrGone = errors.New("interface is gone")

// ErrTakenOff says that somebody else took the program off its interface.
var ErrTakenOff = errors.New("program was taken off the interface")

// ErrNoInterface says that there is no interface of that name.
var ErrNoInterface = errors.New("no such interface")

// Refusal is one way of attaching that was tried in vain.
type Refusal struct {
	Tried  string // "native", "native without support for several buffers" or "generic"
	Reason string // the kernel's or driver's own words where it has any
	Remedy string // the command that would mend it; empty if none would
	err    error
}

func (r Refusal) String() string {
	return fmt.Sprintf("%s mode refused: %s", r.Tried, r.Reason)
}

// RefusedError says that no way of attaching that was allowed worked.
type RefusedError struct {
	Interface string
	Refusals  []Refusal // in the order tried, at least one
}

func (e *RefusedError) Error() string {
	var tried []string
	for _, refusal := range e.Refusals {
		tried = append(tried, refusal.String())
	}
	return fmt.Sprintf("attach to %q: %s", e.Interface, strings.Join(tried, "; "))
}

func (e *RefusedError) Unwrap() []error {
	var errs []error
	for _, refusal := range e.Refusals {
		errs = append(errs, refusal.err)
	}
	return errs
}

// Attachment is the program on an interface.
type Attachment struct {
	Mode     Mode      // ModeNative or ModeGeneric
	Adopted  bool      // it was there, and not a frame went by while the program was exchanged
	Refusals []Refusal // of the better ways that were tried before
	link     link.Link
	program  *ebpf.Program
	isPinned bool
	name     string
	index    int
	home     *netlink.Handle // of the interface's network namespace, wherever Check is called
}

// attempt is one way of attaching.
type attempt struct {
	mode      Mode
	fragments fragments
	flags     link.XDPAttachFlags
}

func (a attempt) String() string {
	if a.mode == ModeNative && a.fragments == withoutFragments {
		return "native without support for several buffers"
	}
	return string(a.mode)
}

// attempts returns the ways that mode allows, best first.
func attempts(mode Mode) []attempt {
	native := []attempt{
		{ModeNative, withFragments, link.XDPDriverMode},
		{ModeNative, withoutFragments, link.XDPDriverMode},
	}
	generic := attempt{ModeGeneric, withFragments, link.XDPGenericMode}
	switch mode {
	case ModeNative:
		return native
	case ModeGeneric:
		return []attempt{generic}
	default:
		return append(native, generic)
	}
}

// busyPatience is how long the kernel may take to free a link that nobody holds any
// more, as one whose pin went with its file system.
const busyPatience = 500 * time.Millisecond

// Attach puts the program on the interface name of the calling thread's network
// namespace, in the best way that mode allows. It changes nothing else on the
// host. It returns an error that wraps ErrNoInterface, an *OccupiedError if there
// is a program already, or a *RefusedError. For a program that may go away by itself it
// waits, for busyPatience.
func (p *Program) Attach(name string, mode Mode) (attached *Attachment, err error) {
	for deadline := time.Now().Add(busyPatience); ; time.Sleep(10 * time.Millisecond) {
		attached, err = p.AttachNow(name, mode)
		if occupied := (*OccupiedError)(nil); !errors.As(err, &occupied) || !occupied.MayGo() || time.Now().After(deadline) {
			return attached, err
		}
	}
}

// AttachNow is Attach without waiting.
func (p *Program) AttachNow(name string, mode Mode) (*Attachment, error) {
	iface, err := findInterface(name)
	if err != nil {
		return nil, err
	}
	if adopted, err := p.adopt(iface, mode); err != nil || adopted != nil {
		return adopted, err
	}
	if holder, err := HolderOf(iface); err != nil {
		return nil, err
	} else if holder != nil {
		return nil, &OccupiedError{name, *holder}
	}
	var refusals []Refusal
	for _, attempt := range attempts(mode) {
		attached, refusal, err := p.try(iface, attempt)
		if err != nil {
			return nil, err
		}
		if refusal == nil {
			attached.Refusals = refusals
			return attached, nil
		}
		refusals = append(refusals, *refusal)
	}
	return nil, &RefusedError{name, refusals}
}

// try attaches in one way, or tells why that is refused.
func (p *Program) try(iface netlink.Link, how attempt) (*Attachment, *Refusal, error) {
	attributes := iface.Attrs()
	if refusal := quirk(iface, how); refusal != nil {
		return nil, refusal, nil
	}
	program, err := p.load(how.fragments)
	if err != nil {
		return nil, nil, err
	}
	attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: attributes.Index, Flags: how.flags})
	if err == nil {
		attachment, err := p.newAttachment(iface, how.mode, attached, program, false)
		return attachment, nil, err
	}
	defer program.Close()
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST) {
		if holder, herr := HolderOf(iface); herr == nil && holder != nil {
			return nil, nil, &OccupiedError{attributes.Name, *holder}
		}
	}
	return nil, explain(iface, how, program, err), nil
}

// newAttachment takes a link that holds a program, and pins it where there are pins.
// On an error the program is taken off.
func (p *Program) newAttachment(iface netlink.Link, mode Mode, held link.Link, program *ebpf.Program, adopted bool) (*Attachment, error) {
	home, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		err = fmt.Errorf("open netlink: %w", err)
	} else if p.pins != nil && !adopted {
		err = held.Pin(p.pins.path(linkPrefix + iface.Attrs().Name))
	}
	if err == nil && mode == ModeGeneric && !movesGeneric() {
		err = p.stayPut()
	}
	if err != nil {
		return nil, errors.Join(err, held.Detach(), held.Close(), program.Close())
	}
	return &Attachment{
		Mode: mode, Adopted: adopted, link: held, program: program, isPinned: p.pins != nil,
		name: iface.Attrs().Name, index: iface.Attrs().Index, home: home,
	}, nil
}

func findInterface(name string) (netlink.Link, error) {
	iface, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, fmt.Errorf("find interface %q: %w", name, ErrNoInterface)
	}
	if err != nil {
		return nil, fmt.Errorf("find interface %q: %w", name, err)
	}
	return iface, nil
}

// Check returns nil while the program is on its interface, else an error that
// wraps ErrGone or ErrTakenOff.
func (a *Attachment) Check() error {
	info, err := a.link.Info()
	if err != nil {
		return fmt.Errorf("ask for link: %w", err)
	}
	if info.XDP().Ifindex != 0 {
		return nil
	}
	if _, err := a.home.LinkByIndex(a.index); err != nil {
		return fmt.Errorf("interface %q: %w", a.name, ErrGone)
	}
	return fmt.Errorf("interface %q: %w", a.name, ErrTakenOff)
}

// Close takes the program off. When it returns, the program runs for no frame any more.
func (a *Attachment) Close() error {
	var unpinErr error
	if a.isPinned {
		unpinErr = unpin(a.link)
	}
	err := a.link.Detach()
	if errors.Is(err, unix.ENOLINK) { // it is off already: taken off, or the interface went away
		err = nil
	}
	settle()
	return errors.Join(unpinErr, err, a.Leave())
}

// Leave lets go of the program, which stays on its interface if it is pinned.
func (a *Attachment) Leave() error {
	a.home.Close()
	return errors.Join(a.link.Close(), a.program.Close())
}

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of linux/membarrier.h.
const membarrierGlobal = 1

// settle waits until every CPU is done with the frame that it was judging when
// the program was taken off: the kernel's grace period (membarrier(2)), or, where
// that is not to be had, far longer than a frame takes.
func settle() {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		time.Sleep(100 * time.Millisecond)
	}
}
