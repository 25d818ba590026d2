package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/bpf"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

const (
	// nap is how long the reader waits after a ring has woken it. The kernel
	// wakes a reader only when it has read all there was, so that one wakeup
	// serves all packets of a nap; and that is what a packet waits at most
	// before it is read.
	nap = time.Millisecond

	// HoldBack is how long packets of one CPU are held back, so that earlier ones
	// of another can come before them. Once the reader has been stopped none is.
	HoldBack = 500 * time.Microsecond
)

// Reader reads the packets of all rings in order of time. Packets that two CPUs
// saw less than [HoldBack] apart may change places only if the earlier
// took its CPU longer than that to hand over. One goroutine may call Read; any
// may call Stop.
type Reader struct {
	rings    []*ring
	takings  *takings
	poll     int           // epoll descriptor
	wakeups  atomic.Uint64 // waits that a ring or Stop has ended
	stop     int           // eventfd that ends a wait
	stopping atomic.Bool
	leaving  atomic.Bool
	clock    clock
	sessions sessionCache
	full     bool // the last batch was filled: there is more, do not wait
}

// NewReader returns a reader of the program's rings. There must be only one.
func (p *Program) NewReader() (*Reader, error) {
	r := &Reader{rings: p.rings, takings: p.keep.takings, poll: -1, stop: -1}
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Reader) open() (err error) {
	if r.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("create epoll: %w", err)
	}
	if r.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return fmt.Errorf("create eventfd: %w", err)
	}
	descriptors := []int{r.stop}
	for _, ring := range r.rings {
		descriptors = append(descriptors, ring.buffer.FD())
	}
	for _, fd := range descriptors {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(r.poll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return fmt.Errorf("wait for ring: %w", err)
		}
	}
	return r.clock.refresh(0)
}

// Read appends packets to batch, which must have room for one of the largest, and
// returns once it has appended at least one. After Stop it returns what is left in
// the rings, then io.EOF.
func (r *Reader) Read(batch *mirror.Batch) error {
	before := len(batch.Packets)
	for {
		if r.leaving.Load() {
			return io.EOF
		}
		last, holdBack := r.stopping.Load(), time.Duration(0)
		if !last {
			holdBack = HoldBack
			if err := r.wait(); err != nil {
				return err
			}
		}
		now, err := readClock(unix.CLOCK_MONOTONIC)
		if err != nil {
			return err
		}
		if err := r.clock.refresh(now); err != nil {
			return err
		}
		r.full = r.merge(batch, uint64(now-int64(holdBack)))
		if len(batch.Packets) > before {
			return nil
		}
		if last {
			return io.EOF
		}
	}
}

// wait returns a nap after any ring has something, or at once when there is more
// of what was read before or the reader is to stop.
func (r *Reader) wait() error {
	if r.full {
		return nil
	}
	var events [1]unix.EpollEvent
	for {
		_, err := unix.EpollWait(r.poll, events[:], -1)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for rings: %w", err)
		}
	}
	r.wakeups.Add(1)
	if !r.stopping.Load() {
		time.Sleep(nap)
	}
	return nil
}

// merge moves packets seen until cut from the rings to the batch, oldest first,
// and gives their room back. It reports whether the batch could take no more.
//
// Packets of one CPU stay in order although it has two rings: cut has passed, and a CPU
// takes the time of a packet when it has handed the one before over. So whichever ring
// has the next one until cut, all earlier ones are there to be seen.
func (r *Reader) merge(batch *mirror.Batch, cut uint64) (full bool) {
	for !full {
		oldest, limit := r.oldest(cut)
		if oldest == nil {
			break
		}
		full = r.drain(oldest, batch, limit)
	}
	r.takings.commit(r.rings)
	for _, ring := range r.rings {
		ring.release()
	}
	return full
}

// oldest returns the ring whose head is the oldest of all, and the time until
// which that stays so; nil if no ring has a packet seen until cut.
func (r *Reader) oldest(cut uint64) (oldest *ring, limit uint64) {
	first := uint64(math.MaxUint64)
	limit = cut
	for _, ring := range r.rings {
		header, _ := ring.head()
		if header == nil || header.Time > cut {
			continue
		}
		if header.Time < first {
			if oldest != nil {
				limit = min(limit, first)
			}
			oldest, first = ring, header.Time
		} else {
			limit = min(limit, header.Time)
		}
	}
	return oldest, limit
}

// drain moves the packets of one ring that were seen until limit.
func (r *Reader) drain(ring *ring, batch *mirror.Batch, limit uint64) (full bool) {
	for {
		header, bytes := ring.head()
		if header == nil || header.Time > limit {
			return false
		}
		data := batch.Room(int(header.Captured))
		if data == nil {
			return true
		}
		if header.Ethertype != 0 {
			copy(data[len(mirror.AppendMadeUpEthernet(data[:0], header.Ethertype)):], bytes)
		} else {
			copy(data, bytes)
		}
		r.describe(batch.Append(data), header)
		r.takings.tally.Count(mirror.OutputSet(header.Outputs))
		ring.next()
	}
}

// describe fills in what a record says of its packet.
func (r *Reader) describe(p *mirror.Packet, header *bpf.XdpeelPacket) {
	p.Time = r.clock.wall(header.Time)
	p.Session = *r.sessions.of(&header.Key)
	p.Endpoint = header.Endpoint
	p.Direction = abi.Direction(header.Direction)
	p.Tunnel = abi.Tunnel(header.Tunnel)
	p.Truncated = header.Truncated != 0
	p.Rule = header.Rule
	p.Outputs = mirror.OutputSet(header.Outputs)
	p.Length = int(header.Length)
}

// sessionCache has the Go form of the sessions that were met last, one for each of
// the last bits of a VNI: making it takes longer than all the rest of a record.
type sessionCache [64]struct {
	key     bpf.XdpeelSessionKey
	session mirror.Session
}

func (c *sessionCache) of(key *bpf.XdpeelSessionKey) *mirror.Session {
	entry := &c[key.Vni%uint32(len(c))]
	if entry.key != *key || !entry.session.Source.IsValid() {
		entry.key, entry.session = *key, sessionOf(key)
	}
	return &entry.session
}

// sessionOf gives a session key its Go form.
func sessionOf(key *bpf.XdpeelSessionKey) mirror.Session {
	return mirror.Session{VNI: key.Vni, Source: key.Address()}
}

// Leave makes Read return io.EOF at once: what is in the rings is left to the next
// reader of them.
func (r *Reader) Leave() {
	r.leaving.Store(true)
	r.Stop()
}

// Wakeups is how often the reader has been woken.
func (r *Reader) Wakeups() uint64 { return r.wakeups.Load() }

// Stop makes Read return what the rings hold and then io.EOF. The program should
// be off its interface before, or what arrives meanwhile is read as well.
func (r *Reader) Stop() {
	r.stopping.Store(true)
	one := binary.NativeEndian.AppendUint64(nil, 1)
	unix.Write(r.stop, one) // fails only if the counter is full, and then the wait has ended too
}

// Close frees what the reader waits with. Read must have returned.
func (r *Reader) Close() error {
	var errs []error
	for _, fd := range []int{r.poll, r.stop} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	r.poll, r.stop = -1, -1
	return errors.Join(errs...)
}
