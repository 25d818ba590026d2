package loader

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/mirror"
)

// keep is what user space keeps in maps for its successor. It is written by plain
// stores to memory that the maps share with the process: each is there as soon as it is
// done, and nothing has to be done in the end.
type keep struct {
	mappings [][]byte
	notes    []bpf.XdpeelNote
	takings  *takings
	books    *books.Set
}

// The records of books are those of bpf/abi.h.
var (
	_ [unsafe.Sizeof(bpf.XdpeelBook{})]byte   = [unsafe.Sizeof(books.BookRecord{})]byte{}
	_ [unsafe.Sizeof(bpf.XdpeelSheet{})]byte  = [unsafe.Sizeof(books.SheetRecord{})]byte{}
	_ [unsafe.Sizeof(bpf.XdpeelFlight{})]byte = [unsafe.Sizeof(books.FlightRecord{})]byte{}
)

// openKeep maps the maps. What a process before has left in them stays.
func openKeep(maps *bpf.XdpeelMaps, rings int) (_ *keep, err error) {
	k := new(keep)
	k.notes, err = mapValues[bpf.XdpeelNote](k, maps.Notes, err)
	words, err := mapValues[uint64](k, maps.Takings, err)
	records, err := mapValues[books.BookRecord](k, maps.Books, err)
	sheets, err := mapValues[books.SheetRecord](k, maps.Sheets, err)
	flights, err := mapValues[books.FlightRecord](k, maps.Flights, err)
	if err != nil {
		return nil, errors.Join(err, k.close())
	}
	k.takings = openTakings(words, rings)
	k.books = books.Open(records, sheets, flights)
	return k, nil
}

// mapValues maps the values of an array into the process, unless there was an error.
func mapValues[T any](k *keep, m *ebpf.Map, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	size, n := int(m.ValueSize()), int(m.MaxEntries())
	if want := int(unsafe.Sizeof(*new(T))); size != want || size%8 != 0 {
		return nil, fmt.Errorf("map %s: values of %d bytes, want %d", m, size, want)
	}
	page := os.Getpagesize()
	memory, err := unix.Mmap(m.FD(), 0, (size*n+page-1)/page*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s into memory: %w", m, err)
	}
	k.mappings = append(k.mappings, memory)
	return unsafe.Slice((*T)(unsafe.Pointer(&memory[0])), n), nil
}

func (k *keep) close() error {
	var errs []error
	for _, memory := range k.mappings {
		errs = append(errs, unix.Munmap(memory))
	}
	k.mappings = nil
	return errors.Join(errs...)
}

// Books are the accounts of outputs that outlive the process, with what processes
// before have left in them. They last until Close.
func (p *Program) Books() *books.Set { return p.keep.books }

// Taken are the packets that any process has taken out of the rings, by the slots that
// they name. It must not be called while a Reader reads.
func (p *Program) Taken() mirror.SlotCounts { return *p.keep.takings.tally.Sums() }
