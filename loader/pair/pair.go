// Package pair makes the veth pairs that consumers read: one end is ours, the
// other the consumer's, in a network namespace of its choice. It knows interfaces
// and nothing of BPF.
//
// A pair is sealed: neither end has an address or asks for one, and its packets
// are never merged. What keeps the host's protocols away from it is the loader's
// program at either end.
package pair

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Pair is a pair that is there. Its ends stay where they are; they may go down,
// and be removed, like any interface.
type Pair struct {
	Options
	Index     int  // of our end, in our namespace
	PeerIndex int  // of the consumer's end, in its namespace
	Adopted   bool // it was there before
	space     *space
	home      *netlink.Handle // of our end's namespace
}

// ErrForeign says that an interface of that name is there and is not ours to change.
var ErrForeign = errors.New("an interface of that name is not xdpeel's")

// alias marks our ends: `ip link` shows it, and no other program sets it.
const alias = "xdpeel: leads to a consumer"

// Open returns the pair that Options describe: the one that is there, if xdpeel
// made it, or a new one. It returns an error that wraps ErrForeign if another
// interface has the name, or ErrNoNamespace.
func Open(o Options) (p *Pair, err error) {
	p = &Pair{Options: o}
	if p.space, err = openSpace(o.PeerNamespace); err != nil {
		return nil, err
	}
	if p.home, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink: %w", err), p.Close())
	}
	if err := p.findOrMake(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.shape(); err != nil {
		if !p.Adopted {
			err = errors.Join(err, p.Remove())
		}
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Known returns a pair that is there, and whose consumer's namespace was left: another
// process has opened it.
func Known(o Options, index, peerIndex int, adopted bool) (*Pair, error) {
	home, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &Pair{Options: o, Index: index, PeerIndex: peerIndex, Adopted: adopted, home: home}, nil
}

// findOrMake adopts the pair if it is as it is to be, and else makes it.
func (p *Pair) findOrMake() error {
	existing, err := p.home.LinkByName(p.Name)
	if err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) {
		return fmt.Errorf("look for interface %q: %w", p.Name, err)
	}
	if err == nil {
		if !isOurs(existing) {
			return fmt.Errorf("make veth %q: %w", p.Name, ErrForeign)
		}
		if p.isAsWanted(existing) {
			p.Adopted = true
			return p.learn()
		}
		if err := p.home.LinkDel(existing); err != nil {
			return fmt.Errorf("remove veth %q, which is to be another: %w", p.Name, err)
		}
	}
	if err := p.make(); err != nil {
		return err
	}
	return p.learn()
}

func isOurs(link netlink.Link) bool {
	return link.Type() == "veth" && link.Attrs().Alias == alias
}

// isAsWanted says whether the other end of our interface is the one that is asked for.
func (p *Pair) isAsWanted(ours netlink.Link) bool {
	peer, err := p.space.handle.LinkByName(p.Peer)
	return err == nil && peer.Type() == "veth" &&
		peer.Attrs().Index == ours.Attrs().ParentIndex && peer.Attrs().ParentIndex == ours.Attrs().Index &&
		peer.Attrs().NumRxQueues == p.Queues && ours.Attrs().NumTxQueues == p.Queues
}

// make makes the pair. Both ends have as many queues for sending as for receiving:
// a veth refuses XDP where its peer could send to more queues than it has.
func (p *Pair) make() error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = p.Name
	attributes.MTU = p.MTU
	attributes.NumRxQueues, attributes.NumTxQueues = p.Queues, p.Queues
	attributes.Alias = alias
	link := netlink.NewVeth(attributes)
	link.PeerName = p.Peer
	link.PeerMTU = uint32(p.MTU)
	link.PeerNumRxQueues, link.PeerNumTxQueues = uint32(p.Queues), uint32(p.Queues)
	if p.space.file != nil {
		link.PeerNamespace = netlink.NsFd(p.space.fd())
	}
	if err := p.home.LinkAdd(link); err != nil {
		return fmt.Errorf("make veth %q to %q: %w", p.Name, p.where(), err)
	}
	// Not every kernel takes the alias along with the request.
	if err := p.home.LinkSetAlias(link, alias); err != nil {
		return errors.Join(fmt.Errorf("mark veth %q: %w", p.Name, err), p.home.LinkDel(link))
	}
	return nil
}

// where says which interface is the consumer's, for a person.
func (p *Pair) where() string {
	if p.PeerNamespace == "" {
		return p.Peer
	}
	return p.Peer + " in " + p.PeerNamespace
}

func (p *Pair) learn() error {
	ours, err := p.home.LinkByName(p.Name)
	if err != nil {
		return fmt.Errorf("find our end %q: %w", p.Name, err)
	}
	theirs, err := p.space.handle.LinkByName(p.Peer)
	if err != nil {
		return fmt.Errorf("find the consumer's end %q: %w", p.where(), err)
	}
	p.Index, p.PeerIndex = ours.Attrs().Index, theirs.Attrs().Index
	return nil
}

// Do runs f in the network namespace of the consumer's end, on a thread of its own.
// Goroutines that f starts are outside again. Not after Leave.
func (p *Pair) Do(f func() error) error { return p.space.do(f) }

// PeerHandle returns a netlink handle of the consumer's end's namespace. Not after Leave.
func (p *Pair) PeerHandle() *netlink.Handle { return p.space.handle }

// Leave lets go of the network namespace of the consumer's end, which else would
// live on for as long as the pair is held. There is no Do and no PeerHandle after it.
func (p *Pair) Leave() error {
	left := p.space
	p.space = nil
	return left.close()
}

// State is what becomes of a pair after it was made.
type State struct {
	Gone   bool // one end is no more, and so neither is
	Up     bool // ours
	PeerUp bool // the consumer's, as far as can be told: while ours is down it cannot
}

// State asks for the pair.
func (p *Pair) State() State {
	ours, err := p.home.LinkByIndex(p.Index)
	if err != nil || ours.Attrs().Name != p.Name {
		return State{Gone: true}
	}
	up := ours.Attrs().Flags&net.FlagUp != 0
	return State{Up: up, PeerUp: !up || ours.Attrs().OperState == netlink.OperUp}
}

// Remove removes both ends, if they are there.
func (p *Pair) Remove() error { return remove(p.home, p.Name) }

// Remove removes the pair one end of which is ours, has a name, and is in the calling
// thread's network namespace, if there is one. Another's interface is left alone.
func Remove(name string) error { return remove(new(netlink.Handle), name) }

func remove(home *netlink.Handle, name string) error {
	ours, err := home.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err == nil && isOurs(ours) {
		err = home.LinkDel(ours)
	}
	if err != nil {
		return fmt.Errorf("remove veth %q: %w", name, err)
	}
	return nil
}

// Close frees what the pair is watched with. The pair stays.
func (p *Pair) Close() error {
	if p.home != nil {
		p.home.Close()
	}
	if p.space == nil {
		return nil
	}
	return p.Leave()
}

// carrierPatience is how long Open waits until both ends have carrier, which
// takes the kernel a few milliseconds.
const carrierPatience = 10 * time.Second

// Await returns once both ends have carrier.
func (p *Pair) Await() error {
	for deadline := time.Now().Add(carrierPatience); ; time.Sleep(time.Millisecond) {
		ours, err := p.home.LinkByIndex(p.Index)
		if err != nil {
			return fmt.Errorf("await carrier of %q: %w", p.Name, err)
		}
		state := ours.Attrs().OperState
		if state == netlink.OperUp {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("await carrier of %q: still %s after %s", p.Name, state, carrierPatience)
		}
	}
}
