package main

import (
	"context"
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

// fill puts packets into the ring of the receiver's CPU.
func (b *userBench) fill(frame []byte, packets uint32) error {
	if _, err := runLive(b.lane.pair.B.Namespace, b.kernel, receiverCPU, frame, packets); err != nil {
		return err
	}
	time.Sleep(2 * time.Millisecond) // the reader holds back what came within the last 500 microseconds
	return nil
}

// spent is what reading a ring took.
type spent struct {
	perPacket float64 // CPU time, nanoseconds
	allocs    float64 // heap allocations a packet
}

// read reads so many packets into sink, nil for nowhere, and checks that these
// were all. What a file and a session cost once is in the first batch, which is not
// measured.
func (b *userBench) read(sink export.Sink, packets uint32) (s spent, err error) {
	err = lab.OnCPU(receiverCPU, func() error {
		if err := b.batchInto(sink); err != nil {
			return err
		}
		measured := int(packets) - len(b.batch.Packets)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began, err := threadTime()
		if err != nil {
			return err
		}
		for left := measured; left > 0; left -= len(b.batch.Packets) {
			if err := b.batchInto(sink); err != nil {
				return err
			}
		}
		ended, err := threadTime()
		if err != nil {
			return err
		}
		runtime.ReadMemStats(&after)
		s.perPacket = float64((ended - began).Nanoseconds()) / float64(measured)
		s.allocs = float64(after.Mallocs-before.Mallocs) / float64(measured)
		return nil
	})
	return s, err
}

// batchInto reads a batch and writes it.
func (b *userBench) batchInto(sink export.Sink) error {
	b.batch.Reset()
	if err := b.reader.Read(b.batch); err != nil || sink == nil {
		return err
	}
	return errors.Join(sink.Write(b.batch), sink.Flush())
}

// toFile fills the ring and reads it to a new file.
func (b *userBench) toFile(directory string, size int) (s spent, err error) {
	frame, err := oneFrame(size)
	if err != nil {
		return s, err
	}
	packets := ringRoom(size)
	if err := b.fill(frame, packets); err != nil {
		return s, err
	}
	file, path, err := newFile(directory)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.Remove(path)) }()
	s, err = b.read(file, packets)
	if err := errors.Join(err, file.Close()); err != nil {
		return s, err
	}
	if account := file.Account(); account.Delivered != uint64(packets) {
		return s, fmt.Errorf("file has %d of %d packets", account.Delivered, packets)
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

// toBatch fills the ring and reads it into a batch alone.
func (b *userBench) toBatch(size int) (spent, error) {
	frame, err := oneFrame(size)
	if err != nil {
		return spent{}, err
	}
	if err := b.fill(frame, ringRoom(size)); err != nil {
		return spent{}, err
	}
	return b.read(nil, ringRoom(size))
}

// userCosts are the rounds of one way through user space, of three sizes.
type userCosts struct {
	perPacket, perByte []float64         // of the line through the sizes, round by round
	bySize             map[int][]float64 // nanoseconds a packet
	allocs             []float64
}

// add takes the costs of one round.
func (u *userCosts) add(measure func(size int) (spent, error)) error {
	if u.bySize == nil {
		u.bySize = make(map[int][]float64)
	}
	var x, y []float64
	for _, size := range userSizes {
		s, err := measure(size)
		if err != nil {
			return err
		}
		x, y = append(x, float64(size)), append(y, s.perPacket)
		u.bySize[size] = append(u.bySize[size], s.perPacket)
		u.allocs = append(u.allocs, s.allocs)
	}
	constant, slope := line(x, y)
	u.perPacket, u.perByte = append(u.perPacket, constant), append(u.perByte, slope)
	return nil
}

// userPlace is a directory in which files are written.
type userPlace struct {
	suffix    string // of the names of its results
	directory string
	costs     userCosts
	dd        []float64 // nanoseconds a byte
}

// measureUser measures user space from the ring to a file in each place, and
// dd in the same place in alternation.
func measureUser(ctx context.Context, places []*userPlace, rounds int) (_ []Result, err error) {
	bench, err := newUserBench()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bench.Close()) }()
	library, err := newLibraryBench()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, library.Close()) }()
	var batch, other userCosts
	for round := range rounds + 1 {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if round == 1 { // the first one warmed everything up
			batch, other = userCosts{}, userCosts{}
			for _, place := range places {
				place.costs, place.dd = userCosts{}, nil
			}
		}
		for _, place := range places {
			if err := place.round(ctx, bench); err != nil {
				return nil, err
			}
		}
		if err := batch.add(bench.toBatch); err != nil {
			return nil, err
		}
		measure := func(size int) (spent, error) { return library.toFile(places[0].directory, size) }
		if err := other.add(measure); err != nil {
			return nil, err
		}
	}
	return userResults(places, &batch, &other), nil
}

// round measures once in a place.
func (p *userPlace) round(ctx context.Context, bench *userBench) error {
	err := p.costs.add(func(size int) (spent, error) { return bench.toFile(p.directory, size) })
	if err != nil {
		return err
	}
	perByte, err := ddCost(ctx, p.directory)
	p.dd = append(p.dd, perByte)
	return err
}

func userResults(places []*userPlace, batch, library *userCosts) (results []Result) {
	for _, p := range places {
		perPacket := figure("user_ns_per_packet"+p.suffix, "ns of CPU a packet, ring to file, at 0 bytes", Lower, p.costs.perPacket)
		for _, size := range userSizes {
			perPacket = perPacket.with(fmt.Sprintf("ns_at_%d_bytes", size), median(p.costs.bySize[size]))
		}
		results = append(results, perPacket,
			compare("user_byte_cost_vs_dd"+p.suffix, "ns of CPU a byte, xdpeel / dd bs=1M", Lower, p.costs.perByte, p.dd).
				with("xdpeel_ns_per_byte", median(p.costs.perByte)).with("dd_ns_per_byte", median(p.dd)))
	}
	own := places[0].costs
	results = append(results,
		figure("user_allocs_per_packet", "heap allocations a packet", Lower, own.allocs),
		figure("ring_to_batch_ns_per_packet", "ns of CPU a packet, ring to batch, at 0 bytes", Lower, batch.perPacket),
		figure("ring_to_batch_ns_per_byte", "ns of CPU a byte, ring to batch", Lower, batch.perByte),
	)
	for _, size := range []int{64, 1450} {
		name := "user_vs_library_reader"
		if size != 64 {
			name += fmt.Sprintf("_%d", size)
		}
		results = append(results, compare(name, fmt.Sprintf("ns of CPU a packet of %d bytes, ring to file, xdpeel / cilium/ebpf ringbuf", size),
			Lower, own.bySize[size], library.bySize[size]).
			with("xdpeel_ns", median(own.bySize[size])).with("library_ns", median(library.bySize[size])))
	}
	return results
}
