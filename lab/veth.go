package lab

import (
	"cmp"
	"fmt"
	"net"
	"time"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
)

// VethOptions says what a veth pair is to be like.
type VethOptions struct {
	NameA, NameB string           // at most 15 bytes; may be the same in two namespaces
	MACA, MACB   net.HardwareAddr // nil: the kernel makes one up
	MTU          int              // bytes behind the Ethernet header, at most 65535; 0: 1500
	Queues       int              // receive and transmit queues of each end; 0: 1
	OffloadsOff  bool             // GRO, GSO and TSO off: no frame is merged or split
}

// End is one end of a veth pair.
type End struct {
	Namespace *Namespace
	Name      string
	Index     int // of the interface, within Namespace
	MAC       net.HardwareAddr
}

// Pair is a veth pair. It goes when the namespace of either end goes.
type Pair struct{ A, B End }

// carrierPatience is how long NewPair waits for the carrier: it takes the kernel
// a few milliseconds, and up to a second when links change by the hundred.
const carrierPatience = 10 * time.Second

// NewPair makes a veth pair from namespace a to b, which may be one and the same.
// Both ends are up and have carrier when it returns, so that not a frame is lost
// to a link that is not ready. ARP is off: only what is sent is on the wire.
func NewPair(a, b *Namespace, options VethOptions) (*Pair, error) {
	link := options.link(b)
	if err := a.Do(func() error { return netlink.LinkAdd(link) }); err != nil {
		return nil, fmt.Errorf("make veth %q to %q: %w", options.NameA, options.NameB, err)
	}
	pair := &Pair{A: End{Namespace: a, Name: options.NameA}, B: End{Namespace: b, Name: options.NameB}}
	if err := pair.raise(options.OffloadsOff); err != nil {
		_ = a.Do(func() error { return netlink.LinkDel(link) })
		return nil, err
	}
	return pair, nil
}

// link returns the request for a pair whose far end is in peer.
func (o VethOptions) link(peer *Namespace) *netlink.Veth {
	queues := max(o.Queues, 1)
	attributes := netlink.NewLinkAttrs()
	attributes.Name = o.NameA
	attributes.HardwareAddr = o.MACA
	attributes.MTU = cmp.Or(o.MTU, 1500)
	attributes.NumRxQueues, attributes.NumTxQueues = queues, queues
	link := netlink.NewVeth(attributes)
	link.PeerName = o.NameB
	link.PeerHardwareAddr = o.MACB
	link.PeerNamespace = netlink.NsFd(peer.handle)
	return link
}

func (p *Pair) raise(offloadsOff bool) error {
	ends := []*End{&p.A, &p.B}
	for _, end := range ends {
		if err := end.Namespace.Do(func() error { return end.raise(offloadsOff) }); err != nil {
			return fmt.Errorf("raise interface %q: %w", end.Name, err)
		}
	}
	deadline := time.Now().Add(carrierPatience)
	for _, end := range ends {
		if err := end.Namespace.Do(func() error { return end.awaitCarrier(deadline) }); err != nil {
			return fmt.Errorf("await carrier of %q: %w", end.Name, err)
		}
	}
	return nil
}

func (e *End) raise(offloadsOff bool) error {
	link, err := netlink.LinkByName(e.Name)
	if err != nil {
		return err
	}
	e.Index, e.MAC = link.Attrs().Index, link.Attrs().HardwareAddr
	if offloadsOff {
		if err := setFeatures(e.Name, false, "rx-gro", "tx-generic-segmentation",
			"tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation"); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetARPOff(link); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// setFeatures turns features of an interface on or off. Their names are those of
// netdev_features_strings, net/ethtool/common.c.
func setFeatures(ifname string, on bool, features ...string) error {
	ioctls, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("open socket for ethtool: %w", err)
	}
	defer ioctls.Close()
	change := make(map[string]bool)
	for _, feature := range features {
		change[feature] = on
	}
	if err := ioctls.Change(ifname, change); err != nil {
		return fmt.Errorf("change features of %q: %w", ifname, err)
	}
	return nil
}

func (e *End) awaitCarrier(deadline time.Time) error {
	for {
		link, err := netlink.LinkByIndex(e.Index)
		if err != nil {
			return err
		}
		state := link.Attrs().OperState
		if state == netlink.OperUp {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still %s after %s", state, carrierPatience)
		}
		time.Sleep(time.Millisecond)
	}
}
