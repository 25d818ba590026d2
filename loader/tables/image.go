// Package tables turns a policy into the form in which the kernel program reads
// it: see enum region in bpf/abi.h. It knows nothing of the kernel; the program's
// side of the same form is bpf/policy.h and bpf/filter.h.
package tables

import (
	"errors"
	"unsafe"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// RegionBytes is the size of a region, and so of the value of a policy's map.
const RegionBytes = abi.RegionLines * lineBytes

const lineBytes = 64

// Image is a policy in the kernel's form.
type Image struct {
	regions []*region
}

// Regions returns the regions in their order, each of RegionBytes bytes.
func (i *Image) Regions() [][]byte {
	var all [][]byte
	for _, r := range i.regions {
		all = append(all, unsafe.Slice((*byte)(unsafe.Pointer(r)), unsafe.Sizeof(*r)))
	}
	return all
}

// place is a line of a region, as the kernel has it: region << 16 | line.
type place uint32

func (p place) region() int { return int(p >> 16) }
func (p place) line() int   { return int(p & (abi.RegionLines - 1)) }

type line [lineBytes / 8]uint64

// region is what the kernel sees of a region, and nothing else.
type region [abi.RegionLines]line

// errRegionFull says that something which must be in one region is larger.
var errRegionFull = errors.New("more than 4 MiB of tables")

// errImageFull says that a policy needs more regions than there may be.
var errImageFull = errors.New("more than 256 MiB of tables")

// writer fills an image from the front. Line 0 of each region stays zero.
type writer struct {
	image Image
	next  int // free line of the last region
}

func newWriter() *writer {
	return &writer{image: Image{regions: []*region{new(region)}}, next: 1}
}

// last returns the region that is being filled, and its number.
func (w *writer) last() (*region, int) {
	n := len(w.image.regions) - 1
	return w.image.regions[n], n
}

// turn begins a new region.
func (w *writer) turn() error {
	if len(w.image.regions) == abi.RegionMax {
		return errImageFull
	}
	w.image.regions = append(w.image.regions, new(region))
	w.next = 1
	return nil
}

// alloc returns the first of n lines in a row, in the region that is being filled.
func (w *writer) alloc(n int) (place, error) {
	if w.next+n > abi.RegionLines {
		return 0, errRegionFull
	}
	_, number := w.last()
	at := place(number<<16 | w.next)
	w.next += n
	return at, nil
}

// allocAligned is alloc, at a line that is a multiple of n: a power of two.
func (w *writer) allocAligned(n int) (place, error) {
	w.next += -w.next & (n - 1)
	return w.alloc(n)
}

// allocAnywhere is alloc, in a new region if need be.
func (w *writer) allocAnywhere(n int) (place, error) {
	at, err := w.alloc(n)
	if err == nil {
		return at, nil
	}
	if err := w.turn(); err != nil {
		return 0, err
	}
	return w.alloc(n)
}

// rollback forgets what was written since the next free line was line.
func (w *writer) rollback(line int) {
	r, _ := w.last()
	clear(r[line:w.next])
	w.next = line
}

// together runs write so that all it allocates is in one region: if the rest of
// the last one is too small, in a new one. expected lines, of which there may be
// more, spare it to find out.
func (w *writer) together(expected int, write func() error) error {
	if w.next > 1 && w.next+expected > abi.RegionLines {
		if err := w.turn(); err != nil {
			return err
		}
	}
	before := w.next
	err := write()
	if !errors.Is(err, errRegionFull) || before == 1 {
		return err
	}
	w.rollback(before)
	if err := w.turn(); err != nil {
		return err
	}
	return write()
}

// here returns the place that an entry leads to in the region that is being filled.
func (w *writer) here(e entry) place {
	_, number := w.last()
	return place(number<<16 | int(e)&(abi.RegionLines-1))
}

// lineOf returns the struct T, of the generated ones, at a place. Its size is a
// multiple of a line's.
func lineOf[T any](w *writer, p place) *T {
	return (*T)(unsafe.Pointer(&w.image.regions[p.region()][p.line()]))
}
