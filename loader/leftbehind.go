package loader

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// LeftBehind is what was found where the program was taken over from a build with
// other maps, or from a daemon of other interfaces: nobody writes these packets.
type LeftBehind struct {
	Dir     string                   // of the pins, which are removed
	Packets uint64                   // in the rings
	Slots   [abi.LimitOutputs]uint64 // of them, those that name the output in a slot
	Notes   []byte                   // of the outputs; none if they have another form
}

// leftBehind counts what is in the rings of a program that judges no more.
func (p *Pins) leftBehind() (left LeftBehind, err error) {
	left.Dir = p.dir
	var rings []string
	for _, prefix := range []string{ringPrefix, spillPrefix} {
		found, err := filepath.Glob(filepath.Join(p.dir, prefix+"*"))
		if err != nil {
			return left, fmt.Errorf("list pins: %w", err)
		}
		rings = append(rings, found...)
	}
	var errs []error
	for _, path := range rings {
		buffer, err := ebpf.LoadPinnedMap(path, nil)
		if err != nil {
			errs = append(errs, fmt.Errorf("open pinned ring: %w", err))
			continue
		}
		ring, err := newRing(buffer)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ring.countLeft(&left)
		errs = append(errs, ring.close())
	}
	left.Notes, err = p.readNotes()
	return left, errors.Join(append(errs, err)...)
}

// countLeft counts the records that no reader has had, whatever build they are of: how
// they stand in a ring is the kernel's to say, and all builds have packet.outputs where
// this one has it (bpf/abi.h). None is shorter than a header: there is room behind it.
func (r *ring) countLeft(left *LeftBehind) {
	for header, _ := r.head(); header != nil; header, _ = r.head() {
		left.Packets++
		for slot := range left.Slots {
			left.Slots[slot] += uint64(header.Outputs >> slot & 1)
		}
		r.next()
	}
}
