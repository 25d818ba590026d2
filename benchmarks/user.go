package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// userSizes are inner frames of three classes of records, each nearly full.
var userSizes = []int{64, 512, 1450}

// userBench has the kernel fill xdpeel's rings while nobody reads them, and then
// takes the time that user space needs for what they hold.
type userBench struct {
	*tap
	kernel *ebpf.Program // what is attached, to run it with live frames
	batch  *mirror.Batch
}

func newUserBench() (*userBench, error) {
	t, err := newTap(mirror.TakeAll())
	if err != nil {
		return nil, err
	}
	b := &userBench{tap: t, batch: export.NewCaptureBatch()}
	err = b.lane.pair.B.Namespace.Do(func() (err error) {
		b.kernel, err = attachedProgram(b.lane.pair.B.Name)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return b, nil
}

// attachedProgram returns the XDP program of an interface of the calling
// thread's namespace.
func attachedProgram(iface string) (*ebpf.Program, error) {
	link, err := netlink.LinkByName(iface)
	if err != nil {
		return nil, fmt.Errorf("find interface %q: %w", iface, err)
	}
	program, err := ebpf.NewProgramFromID(ebpf.ProgramID(link.Attrs().Xdp.ProgId))
	if err != nil {
		return nil, fmt.Errorf("find program of %q: %w", iface, err)
	}
	return program, nil
}

// Close takes everything down.
func (b *userBench) Close() error { return errors.Join(b.kernel.Close(), b.tap.Close()) }

// arrival is how packets have come when the reader comes for them.
type arrival struct {
	suffix string // of the names of results
	bytes  int    // of records that wait
	times  int    // that it comes
}

var (
	// late is a reader that was away: most of what waits is in the spill, and in no cache.
	late = arrival{"_late", ringSize * 95 / 100, 1}
	// prompt is one that comes every millisecond, as in a capture: all that waits is in the
	// CPU's ring, and in its caches.
	prompt = arrival{"", 768 << 10, 20}
)

// fill puts packets into the rings of the receiver's CPU.
func (b *userBench) fill(frame []byte, packets uint32) error {
	if _, err := runLive(b.lane.pair.B.Namespace, b.kernel, receiverCPU, frame, packets); err != nil {
		return err
	}
	time.Sleep(2 * time.Millisecond) // the reader holds back what came within the last 500 microseconds
	return nil
}

// spent is what reading packets took.
type spent struct {
	cpu     time.Duration
	allocs  uint64 // heap allocations
	packets uint64
}

func (s spent) perPacket() float64       { return float64(s.cpu.Nanoseconds()) / float64(s.packets) }
func (s spent) allocsPerPacket() float64 { return float64(s.allocs) / float64(s.packets) }

// read adds what it takes to read so many packets into sink, nil for nowhere, and checks
// that these were all.
func (b *userBench) read(sink export.Sink, packets uint32, s *spent) error {
	return lab.OnCPU(receiverCPU, func() error {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began, err := threadTime()
		if err != nil {
			return err
		}
		for left := int(packets); left > 0; left -= len(b.batch.Packets) {
			if err := b.batchInto(sink); err != nil {
				return err
			}
		}
		ended, err := threadTime()
		if err != nil {
			return err
		}
		runtime.ReadMemStats(&after)
		s.cpu += ended - began
		s.allocs += after.Mallocs - before.Mallocs
		s.packets += uint64(packets)
		return nil
	})
}

// batchInto reads a batch and writes it.
func (b *userBench) batchInto(sink export.Sink) error {
	b.batch.Reset()
	if err := b.reader.Read(b.batch); err != nil || sink == nil {
		return err
	}
	return errors.Join(sink.Write(b.batch), sink.Flush())
}

// measure has packets come and be read into a sink, nil for nowhere. What a file and a
// session cost once is in the first packet, which does not count.
func (b *userBench) measure(sink export.Sink, size int, a arrival) (s spent, err error) {
	frame, err := oneFrame(size)
	if err != nil {
		return s, err
	}
	if err := b.turn(sink, frame, 1, new(spent)); err != nil {
		return s, err
	}
	for range a.times {
		if err := b.turn(sink, frame, recordsIn(a.bytes, size), &s); err != nil {
			return s, err
		}
	}
	return s, nil
}

// turn has packets come and reads them.
func (b *userBench) turn(sink export.Sink, frame []byte, packets uint32, s *spent) error {
	if err := b.fill(frame, packets); err != nil {
		return err
	}
	return b.read(sink, packets, s)
}

// toFile measures with a new file. The reader is late, so that what else is done between
// its turns does not count.
func (b *userBench) toFile(directory string, size int) (s spent, err error) {
	file, path, err := newFile(directory)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.Remove(path)) }()
	s, err = b.measure(file, size, late)
	if err := errors.Join(err, file.Close()); err != nil {
		return s, err
	}
	if account := file.Account(); account.Delivered != s.packets+1 {
		return s, fmt.Errorf("file has %d of %d packets", account.Delivered, s.packets+1)
	}
	return s, nil
}

// newFile opens the product's sink.
func newFile(directory string) (*export.File, string, error) {
	path := filepath.Join(directory, fmt.Sprintf("xdpeel-bench-%d.pcapng", os.Getpid()))
	_ = os.Remove(path) // of an interrupted run
	file, err := export.NewFile(export.FileOptions{
		Path: path, Application: "xdpeel benchmarks",
		Statistics: func(mirror.Session) export.Statistics { return export.Statistics{} },
	})
	return file, path, err
}
