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
	if err := errors.Join(b.fill(frame, 1), b.read(sink, 1, new(spent))); err != nil {
		return s, err
	}
	packets := recordsIn(a.bytes, size)
	for range a.times {
		if err := errors.Join(b.fill(frame, packets), b.read(sink, packets, &s)); err != nil {
			return s, err
		}
	}
	return s, nil
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
		x, y = append(x, float64(size)), append(y, s.perPacket())
		u.bySize[size] = append(u.bySize[size], s.perPacket())
		u.allocs = append(u.allocs, s.allocsPerPacket())
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

// userRounds are all that is measured.
type userRounds struct {
	places  []*userPlace           // to files
	library *userPlace             // to a file in the first of the places, with the library's reader
	batches map[arrival]*userCosts // ring to batch alone
}

// newUserRounds returns those of no round yet.
func newUserRounds(places []*userPlace) *userRounds {
	u := &userRounds{
		library: &userPlace{directory: places[0].directory},
		batches: map[arrival]*userCosts{prompt: {}, late: {}},
	}
	for _, p := range places {
		u.places = append(u.places, &userPlace{suffix: p.suffix, directory: p.directory})
	}
	return u
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
	all := newUserRounds(places)
	for round := range rounds + 1 {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if round == 1 { // the first one warmed everything up
			all = newUserRounds(places)
		}
		if err := all.round(ctx, bench, library); err != nil {
			return nil, err
		}
	}
	return all.results(), nil
}

// round measures everything once.
func (u *userRounds) round(ctx context.Context, bench *userBench, library *libraryBench) error {
	for arrival, costs := range u.batches {
		if err := costs.add(func(size int) (spent, error) { return bench.measure(nil, size, arrival) }); err != nil {
			return err
		}
	}
	for _, place := range u.places {
		err := place.add(ctx, func(size int) (spent, error) { return bench.toFile(place.directory, size) })
		if err != nil {
			return err
		}
	}
	return u.library.add(ctx, func(size int) (spent, error) { return library.toFile(u.library.directory, size) })
}

// add measures dd and then something else in a place. So what is written there has pages
// that dd's file has just given back: in a virtual machine it counts for more how long pages
// have been nobody's than what is written to them.
func (p *userPlace) add(ctx context.Context, measure func(size int) (spent, error)) error {
	perByte, err := ddCost(ctx, p.directory)
	if err != nil {
		return err
	}
	p.dd = append(p.dd, perByte)
	return p.costs.add(measure)
}

func (u *userRounds) results() (results []Result) {
	for _, p := range u.places {
		results = append(results, p.costs.result("user_ns_per_packet"+p.suffix, "ns of CPU a packet, ring to file, at 0 bytes"),
			compare("user_byte_cost_vs_dd"+p.suffix, "ns of CPU a byte, ring to file, xdpeel / dd bs=1M", Lower, p.costs.perByte, p.dd).
				with("xdpeel_ns_per_byte", median(p.costs.perByte)).with("dd_ns_per_byte", median(p.dd)))
	}
	own := u.places[0].costs
	results = append(results, figure("user_allocs_per_packet", "heap allocations a packet", Lower, own.allocs))
	for _, a := range []arrival{prompt, late} {
		costs := u.batches[a]
		results = append(results, costs.result("ring_to_batch"+a.suffix+"_ns_per_packet", "ns of CPU a packet, ring to batch, at 0 bytes"),
			figure("ring_to_batch"+a.suffix+"_ns_per_byte", "ns of CPU a byte, ring to batch", Lower, costs.perByte))
	}
	for _, mix := range []Mix{small, full} {
		size := mix.Sizes[0]
		unit := fmt.Sprintf("ns of CPU a packet of %d bytes, ring to file, xdpeel / cilium/ebpf ringbuf", size)
		results = append(results, compare(captureName("user_vs_library_reader", mix, 0), unit,
			Lower, own.bySize[size], u.library.costs.bySize[size]).
			with("xdpeel_ns", median(own.bySize[size])).with("library_ns", median(u.library.costs.bySize[size])))
	}
	return results
}

// result is the cost a packet at no bytes; what it was at each size is beside it.
func (u *userCosts) result(name, unit string) Result {
	r := figure(name, unit, Lower, u.perPacket)
	for _, size := range userSizes {
		r = r.with(fmt.Sprintf("ns_at_%d_bytes", size), median(u.bySize[size]))
	}
	return r
}
