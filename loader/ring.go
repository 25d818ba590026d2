package loader

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
)

// Flags in a record's length (BPF_RINGBUF_BUSY_BIT and _DISCARD_BIT of linux/bpf.h),
// and the length of the header that holds it.
const (
	recordBusy    = 1 << 31
	recordDiscard = 1 << 30
	recordHeader  = 8
)

// packetHeader is the length in bytes of struct packet (bpf/abi.h).
const packetHeader = int(unsafe.Sizeof(bpf.XdpeelPacket{}))

// ring reads a ring buffer in place (kernel/bpf/ringbuf.c tells the
// layout): a page with the consumer's position, a page with the producer's, and
// the data, mapped twice in a row so that no record is ever split.
type ring struct {
	buffer   *ebpf.Map
	consumer []byte // mapping of the consumer's page
	producer []byte // mapping of the producer's page and the data
	data     []byte // the second part of that
	mask     uint64
	position uint64 // of the next record; not told to the kernel before release
	released uint64 // what the kernel was told last
	produced uint64 // where the kernel was when it was asked last
	length   uint32 // of the record that head returned
}

// newRing maps a ring buffer, which is the ring's from here on. What an earlier reader
// has left in it comes first; see takings.
func newRing(buffer *ebpf.Map) (*ring, error) {
	size := int(buffer.MaxEntries())
	r := &ring{buffer: buffer, mask: uint64(size) - 1}
	page := os.Getpagesize()
	var err error
	r.consumer, err = unix.Mmap(buffer.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map consumer page: %w", err), r.close())
	}
	r.producer, err = unix.Mmap(buffer.FD(), int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map data: %w", err), r.close())
	}
	r.data = r.producer[page:]
	r.released = atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.consumer[0])))
	r.position = r.released
	return r, nil
}

// head returns the oldest record that has not been skipped, header and bytes,
// or nil if there is none, or none whose producer is done with it. It is valid
// until release.
func (r *ring) head() (*bpf.XdpeelPacket, []byte) {
	for r.position < r.produced || r.ask() {
		at := r.position & r.mask
		length := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[at])))
		if length&recordBusy != 0 {
			return nil, nil
		}
		if length&recordDiscard != 0 {
			r.skip(length &^ recordDiscard)
			continue
		}
		r.length = length
		record := r.data[at+recordHeader : at+recordHeader+uint64(length)]
		return (*bpf.XdpeelPacket)(unsafe.Pointer(&record[0])), record[packetHeader:]
	}
	return nil, nil
}

// ask asks how far the kernel is, and reports whether there is a record. Not asking
// at every record spares a line of the cache its way between two CPUs.
func (r *ring) ask() bool {
	r.produced = atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.producer[0])))
	return r.position < r.produced
}

// next skips the record that head returned.
func (r *ring) next() { r.skip(r.length) }

// skip moves behind a record of length bytes; records begin at multiples of eight.
func (r *ring) skip(length uint32) {
	r.position += (uint64(length) + recordHeader + 7) &^ 7
}

// release gives what was skipped back to the kernel.
func (r *ring) release() {
	if r.position == r.released {
		return
	}
	r.released = r.position
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&r.consumer[0])), r.position)
}

func (r *ring) close() error {
	var errs []error
	if r.producer != nil {
		errs = append(errs, unix.Munmap(r.producer))
	}
	if r.consumer != nil {
		errs = append(errs, unix.Munmap(r.consumer))
	}
	r.producer, r.data, r.consumer = nil, nil, nil
	return errors.Join(append(errs, r.buffer.Close())...)
}
