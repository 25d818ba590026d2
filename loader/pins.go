package loader

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/loader/pair"
)

// ErrPinsInUse says that another process has the pins of an interface.
var ErrPinsInUse = errors.New("another xdpeel runs there")

// Pins are the names that a program's kernel objects have in a bpffs, so that they
// outlive the process:
//
//	ROOT/LAYOUT/INTERFACES@NAMESPACE/    LAYOUT tells the form of the maps
//	    link-IFACE                       the program on an interface
//	    MAP, single-MAP                  the maps; single: for frames of one buffer
//	    ring-CPU, spill-CPU              the rings
//	    policy                           that in effect
//	    veth-NAME-sink, -arrive          the programs at a veth's ends
//
// Links are pinned when all maps are, so that where there is a link there is all.
// bpffs has no names with dots; an interface's are written as %2e.
type Pins struct {
	root, dir string
	namespace string   // the network namespace of the interfaces
	lock      *os.File // the directory; held while a process uses it
	adopted   bool     // the maps were there
}

const (
	linkPrefix   = "link-"
	vethPrefix   = "veth-"
	ringPrefix   = "ring-"
	spillPrefix  = "spill-"
	singlePrefix = "single-"
	policyPin    = "policy"
)

// PinOptions say where pins are.
type PinOptions struct {
	Root       string   // a directory in a bpffs; below /sys/fs/bpf it is mounted if need be
	Interfaces []string // that the program is going to be attached to
}

// OpenPins makes the directory of a program's pins, or finds it, and keeps other
// processes out of it. It returns errors that wrap ErrNoPins or ErrPinsInUse.
func OpenPins(o PinOptions) (*Pins, error) {
	spec, err := bpf.LoadXdpeel()
	if err != nil {
		return nil, fmt.Errorf("read embedded object: %w", err)
	}
	if err := provideBPFFS(o.Root); err != nil {
		return nil, err
	}
	namespace, err := networkNamespace()
	if err != nil {
		return nil, err
	}
	sorted := slices.Sorted(slices.Values(o.Interfaces))
	p := &Pins{root: o.Root, namespace: namespace}
	p.dir = filepath.Join(o.Root, layoutOf(spec), undotted(strings.Join(sorted, "+"))+"@"+namespace)
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of pins: %w", err)
	}
	if p.lock, err = lockPins(p.dir); err != nil {
		return nil, err
	}
	p.adopted = p.hasLink()
	return p, nil
}

// lockPins keeps other processes out of a directory until the file is closed.
func lockPins(dir string) (*os.File, error) {
	lock, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory of pins: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrPinsInUse
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// networkNamespace tells the calling thread's network namespace from others.
func networkNamespace() (string, error) {
	var s unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &s); err != nil {
		return "", fmt.Errorf("find network namespace: %w", err)
	}
	return fmt.Sprint(s.Ino), nil
}

// undotted is a name as bpffs takes it, dotted what it was.
func undotted(name string) string { return strings.ReplaceAll(name, ".", "%2e") }
func dotted(name string) string   { return strings.ReplaceAll(name, "%2e", ".") }

// vethPin names the pin of the link that holds a program at one end of a veth.
func vethPin(veth string, e end) string { return vethPrefix + veth + "-" + e.String() }

// layoutOf names the form of the maps: what another build of the program has, and
// this one can go on with, has the same.
func layoutOf(spec *ebpf.CollectionSpec) string {
	hash := sha256.New()
	formatter := &btf.GoFormatter{}
	for _, name := range slices.Sorted(mapNames(spec)) {
		m := spec.Maps[name]
		fmt.Fprintln(hash, name, m.Type, m.KeySize, m.ValueSize, m.Flags)
		if m.Value != nil {
			declaration, _ := formatter.TypeDeclaration(name, m.Value)
			fmt.Fprintln(hash, declaration)
		}
	}
	return "v" + hex.EncodeToString(hash.Sum(nil)[:6])
}

func (p *Pins) path(name string) string { return filepath.Join(p.dir, undotted(name)) }

// unpin removes the pin of a name, if it is there.
func (p *Pins) unpin(name string) error {
	if err := os.Remove(p.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unpin: %w", err)
	}
	return nil
}

// unpinVeth removes the pins of a veth.
func (p *Pins) unpinVeth(name string) error {
	return errors.Join(p.unpin(vethPin(name, sinkEnd)), p.unpin(vethPin(name, arriveEnd)))
}

// hasLink says whether a program is held by these pins: then all maps are there.
func (p *Pins) hasLink() bool {
	links, _ := filepath.Glob(filepath.Join(p.dir, linkPrefix+"*"))
	return len(links) > 0
}

// load returns a pinned map, nil if there is none.
func (p *Pins) load(name string) (*ebpf.Map, error) {
	m, err := ebpf.LoadPinnedMap(p.path(name), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open pinned map %s: %w", name, err)
	}
	return m, nil
}

// pinPolicy pins the map of a policy that is about to be in effect, in place of the one
// before: at no time is there none.
func (p *Pins) pinPolicy(m *ebpf.Map) error {
	const next = policyPin + "-next"
	if err := p.unpin(next); err != nil { // of a process that was killed here
		return err
	}
	if err := m.Pin(p.path(next)); err != nil {
		return fmt.Errorf("pin policy: %w", err)
	}
	if err := os.Rename(p.path(next), p.path(policyPin)); err != nil {
		return fmt.Errorf("pin policy: %w", err)
	}
	return nil
}

// loadLink returns a pinned link, nil if there is none. One whose interface is
// gone is removed.
func (p *Pins) loadLink(name string) (link.Link, error) {
	l, err := link.LoadPinnedLink(p.path(name), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open pinned link %s: %w", name, err)
	}
	info, err := l.Info()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask for pinned link %s: %w", name, err), l.Close())
	}
	if info.XDP() == nil || info.XDP().Ifindex == 0 {
		return nil, errors.Join(l.Unpin(), l.Close())
	}
	return l, nil
}

// takeLink moves a link here that is pinned elsewhere for this network namespace. It
// returns the link, nil without one, and the directory that it was in.
func (p *Pins) takeLink(name string) (held link.Link, from string, err error) {
	from, err = findPin(p.root, p.namespace, name)
	if err != nil || from == "" {
		return nil, "", err
	}
	lock, err := lockPins(from)
	if err != nil {
		return nil, "", err
	}
	defer lock.Close()
	held, err = (&Pins{dir: from}).loadLink(name)
	if err != nil || held == nil {
		return nil, "", err
	}
	if err := errors.Join(held.Unpin(), held.Pin(p.path(name))); err != nil {
		return nil, "", errors.Join(fmt.Errorf("take over %s from %s: %w", name, from, err), held.Close())
	}
	return held, from, nil
}

// findPin returns the directory in which something of a network namespace is pinned
// under a name, "" without.
func findPin(root, namespace, name string) (string, error) {
	found, err := filepath.Glob(filepath.Join(root, "*", "*@"+namespace, undotted(name)))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return filepath.Dir(found[0]), nil
}

// removeVeths removes the veths whose ends are pinned and whose names are unwanted,
// interfaces and pins.
func (p *Pins) removeVeths(unwanted func(name string) bool) error {
	sinks, err := filepath.Glob(filepath.Join(p.dir, vethPin("*", sinkEnd)))
	if err != nil {
		return fmt.Errorf("list pins: %w", err)
	}
	before, behind, _ := strings.Cut(vethPin("*", sinkEnd), "*")
	var errs []error
	for _, sink := range sinks {
		name := dotted(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(sink), before), behind))
		if unwanted(name) {
			errs = append(errs, pair.Remove(name), p.unpinVeth(name))
		}
	}
	return errors.Join(errs...)
}

// forgetLink removes the pin of an interface's link, and everything once it was the last.
func (p *Pins) forgetLink(iface string) error {
	if err := p.unpin(linkPrefix + iface); err != nil {
		return err
	}
	if p.hasLink() {
		return nil
	}
	return errors.Join(p.removeVeths(func(string) bool { return true }), removePins(p.dir))
}

// abandon takes the program off all interfaces that it is pinned on here, and removes
// all pins and veths. It returns what is in the rings then.
func (p *Pins) abandon() (LeftBehind, error) {
	links, err := filepath.Glob(filepath.Join(p.dir, linkPrefix+"*"))
	if err != nil {
		return LeftBehind{}, fmt.Errorf("list pins: %w", err)
	}
	var errs []error
	for _, path := range links {
		held, err := p.loadLink(filepath.Base(path))
		if err == nil && held != nil {
			err = errors.Join(unpin(held), held.Detach(), held.Close())
		}
		errs = append(errs, err)
	}
	settle()
	left, err := p.leftBehind()
	errs = append(errs, err)
	return left, errors.Join(append(errs, p.removeVeths(func(string) bool { return true }), removePins(p.dir))...)
}

// clearPins removes all pins of a directory: what nobody else holds goes with them.
func clearPins(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list pins: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		errs = append(errs, os.Remove(filepath.Join(dir, entry.Name())))
	}
	return errors.Join(errs...)
}

// removePins removes all pins of a directory, and it and those above as far as they
// hold no others.
func removePins(dir string) error {
	if err := clearPins(dir); err != nil {
		return fmt.Errorf("remove pins: %w", err)
	}
	for range 3 { // the program's, the layout's, the root
		if os.Remove(dir) != nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return nil
}

// Close lets other processes have the pins, which stay.
func (p *Pins) Close() error { return p.lock.Close() }
