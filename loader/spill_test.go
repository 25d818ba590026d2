package loader

import (
	"encoding/binary"
	"io"
	"math"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

func TestRingSizes(t *testing.T) {
	t.Parallel()
	for cpus, want := range map[int]struct{ ring, spill, total uint32 }{
		1:    {1 << 20, 16 << 20, 17 << 20},
		2:    {1 << 20, 16 << 20, 34 << 20},
		4:    {1 << 20, 16 << 20, 68 << 20},
		16:   {1 << 20, 4 << 20, 80 << 20},
		17:   {2 << 20, 0, 34 << 20},
		32:   {2 << 20, 0, 64 << 20},
		96:   {512 << 10, 0, 48 << 20},
		1024: {256 << 10, 0, 256 << 20},
	} {
		ring, spill := ringSizes(cpus)
		if ring != want.ring || spill != want.spill || (ring+spill)*uint32(cpus) != want.total {
			t.Errorf("%d CPUs: rings of %d, spills of %d, want %+v", cpus, ring, spill, want)
		}
		if n := ringsOf(cpus); (n == cpus) != (want.spill == 0) {
			t.Errorf("%d CPUs have %d rings", cpus, n)
		}
	}
}

// needSpill skips a test where rings are small anyway.
func needSpill(t *testing.T) {
	t.Helper()
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		t.Fatal(err)
	}
	if _, spill := ringSizes(cpus); spill == 0 {
		t.Skipf("with %d possible CPUs no ring has a spill", cpus)
	}
}

// numbered returns frames whose packets take some 9 KiB in a ring, and count from first.
func numbered(first, n int) (list [][]byte) {
	for i := range n {
		payload := frames.Payload(8800)
		binary.BigEndian.PutUint32(payload[len(payload)-4:], uint32(first+i))
		list = append(list, frames.Wrap(frames.UDPFrame(client, instance, payload), 7, source, target))
	}
	return list
}

// numberOf returns the number of a packet of those.
func numberOf(packet *mirror.Packet) int {
	return int(binary.BigEndian.Uint32(packet.Data[len(packet.Data)-4:]))
}

// spillBench puts numbered packets to the program and reads as many as it likes.
type spillBench struct {
	*kernelJudge
	put, taken int
}

func (b *spillBench) add(n int) {
	b.t.Helper()
	err := lab.OnFirstCPU(func() error {
		for _, frame := range numbered(b.put, n) {
			if _, err := b.run.Run(&ebpf.RunOptions{Data: frame}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.put += n
}

// read takes a number of packets that a batch can hold, or all, and wants them in their order.
func (b *spillBench) read(n int) {
	b.t.Helper()
	for n > 0 {
		batch := mirror.NewBatch(min(n, 64), 1<<20)
		b.reader.merge(batch, math.MaxUint64)
		if len(batch.Packets) == 0 {
			return
		}
		for i := range batch.Packets {
			if got := numberOf(&batch.Packets[i]); got != b.taken {
				b.t.Fatalf("packet %d comes where %d should", got, b.taken)
			}
			b.taken++
		}
		n -= len(batch.Packets)
	}
}

// fill returns how full the rings of the first CPU are.
func (b *spillBench) fill() (ring, spill uint64) {
	rings := b.program.rings
	return rings[0].fill().Used, rings[len(rings)/2].fill().Used
}

// What a full ring has no room for waits in its spill, and all comes out in the order in
// which it came, wherever it was. Only what neither holds is lost, and counted.
func TestSpill(t *testing.T) {
	needRoot(t)
	needSpill(t)
	b := &spillBench{kernelJudge: newKernelJudge(t, mirror.Options{}, mirror.TakeAll())}
	b.add(100)
	if ring, spill := b.fill(); ring == 0 || spill != 0 {
		t.Fatalf("%d bytes in the ring, %d in its spill: want none there", ring, spill)
	}
	b.add(200)
	if ring, spill := b.fill(); ring < ringNear*95/100 || spill == 0 {
		t.Fatalf("%d bytes in the ring, %d in its spill: want the one full and some in the other", ring, spill)
	}
	for range 20 { // the ring has room again while older packets are in the spill
		b.read(50)
		b.add(60)
	}
	b.read(math.MaxInt)
	if b.taken != b.put {
		t.Fatalf("%d of %d packets came out", b.taken, b.put)
	}
	if ring, spill := b.fill(); ring != 0 || spill != 0 {
		t.Errorf("%d bytes in the ring and %d in its spill when all is read", ring, spill)
	}
	b.ledger() // lost nothing

	b.overflow(int(b.program.RingFills()[0].Size))
	if err := b.program.maps.Spills.Delete(uint32(0)); err != nil {
		t.Fatal(err)
	}
	b.overflow(ringNear) // as on a host of many CPUs
}

// overflow puts more into the empty rings than they have room for, and wants all that do
// not come out to be counted as lost.
func (b *spillBench) overflow(room int) {
	b.t.Helper()
	lost, first := b.lost(), b.taken
	b.add(room/9216 + 100)
	b.read(math.MaxInt)
	lost = b.lost() - lost
	if lost < 50 || lost != b.put-b.taken || b.taken-first < room/9216-20 {
		b.t.Errorf("%d of %d packets came out of %d bytes, %d are counted as lost", b.taken-first, b.put-first, room, lost)
	}
	b.taken = b.put // the next that comes out is one that is put in after these
}

// lost returns how many packets found the rings full.
func (b *spillBench) lost() int {
	b.t.Helper()
	_, slots, err := b.program.Ledger()
	if err != nil {
		b.t.Fatal(err)
	}
	return int(slots[0].Lost[mirror.Loss(abi.RingLossRingFull.String())])
}

// The next process reads what is in the spill too, in order and once, however the one
// before ended.
func TestSpillIsInherited(t *testing.T) {
	l := newLife(t)
	needSpill(t)
	l.policy = mirror.TakeAll()
	first := l.begin()
	l.send(numbered(0, 250))
	batch := mirror.NewBatch(50, 1<<20)
	if err := first.reader.Read(batch); err != nil {
		t.Fatal(err)
	}
	taken := len(batch.Packets)
	first.die()
	l.send(numbered(250, 50))
	last := l.begin()
	last.reader.Stop()
	for {
		batch := mirror.NewBatch(64, 1<<20)
		err := last.reader.Read(batch)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch.Packets {
			if got := numberOf(&batch.Packets[i]); got != taken {
				t.Fatalf("packet %d comes where %d should", got, taken)
			}
			taken++
		}
	}
	if taken != 300 {
		t.Errorf("%d of 300 packets came out", taken)
	}
	l.undo(last)
}
