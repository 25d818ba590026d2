package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// libraryRecords is how many packets go to the sink together.
const libraryRecords = 1024

// libraryBench reads the same records of the same program with the ring reader
// of cilium/ebpf, as one would without a reader of one's own: each record is
// copied out once, and packets refer to the copies.
type libraryBench struct {
	teardown
	ns      *lab.Namespace
	product *Product
	reader  *ringbuf.Reader
	records [libraryRecords]ringbuf.Record
	batch   mirror.Batch
}

func newLibraryBench() (_ *libraryBench, err error) {
	b := new(libraryBench)
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.ns, err = lab.NewNamespace("xdpeel-bench-library"); err != nil {
		return nil, err
	}
	b.then(b.ns.Close)
	if b.product, err = LoadProduct(OwnRings, mirror.TakeAll()); err != nil {
		return nil, err
	}
	b.then(b.product.Close)
	if b.reader, err = ringbuf.NewReader(b.product.rings[receiverCPU]); err != nil {
		return nil, fmt.Errorf("open ring reader: %w", err)
	}
	b.then(b.reader.Close)
	return b, nil
}

// toFile fills the ring and reads it to a new file.
func (b *libraryBench) toFile(directory string, size int) (s spent, err error) {
	frame, err := oneFrame(size)
	if err != nil {
		return s, err
	}
	packets := ringRoom(size)
	if _, err := runLive(b.ns, b.product.objects.Xdpeel, receiverCPU, frame, packets); err != nil {
		return s, err
	}
	file, path, err := newFile(directory)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.Remove(path)) }()
	err = lab.OnCPU(receiverCPU, func() error {
		began, err := threadTime()
		if err != nil {
			return err
		}
		if err := b.read(file, int(packets)); err != nil {
			return err
		}
		ended, err := threadTime()
		s.cpu, s.packets = ended-began, uint64(packets)
		return err
	})
	if err := errors.Join(err, file.Close()); err != nil {
		return s, err
	}
	if account := file.Account(); account.Delivered != uint64(packets) {
		return s, fmt.Errorf("file has %d of %d packets", account.Delivered, packets)
	}
	return s, nil
}

// read reads so many packets into the sink.
func (b *libraryBench) read(sink export.Sink, packets int) error {
	for packets > 0 {
		b.batch.Packets = b.batch.Packets[:0]
		for i := range min(packets, libraryRecords) {
			record := &b.records[i]
			if err := b.reader.ReadInto(record); err != nil {
				return fmt.Errorf("read ring: %w", err)
			}
			b.batch.Packets = append(b.batch.Packets, packetOf(record.RawSample))
		}
		if err := errors.Join(sink.Write(&b.batch), sink.Flush()); err != nil {
			return err
		}
		packets -= len(b.batch.Packets)
	}
	return nil
}

// packetOf reads a record as loader does; the packet's data is the record's.
func packetOf(record []byte) mirror.Packet {
	header := (*bpf.XdpeelPacket)(unsafe.Pointer(unsafe.SliceData(record)))
	source := *(*[16]byte)(unsafe.Pointer(&header.Key.Source))
	data := record[unsafe.Sizeof(*header):]
	return mirror.Packet{
		Time:      int64(header.Time),
		Session:   mirror.Session{VNI: header.Key.Vni, Source: netip.AddrFrom16(source).Unmap()},
		Direction: abi.Direction(header.Direction),
		Tunnel:    abi.Tunnel(header.Tunnel),
		Rule:      header.Rule,
		Outputs:   mirror.OutputSet(header.Outputs),
		Length:    int(header.Length),
		Data:      data[:header.Captured],
	}
}
