package export

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// feeder fills a backlog with numbered packets, and knows who was named by which.
type feeder struct {
	*Backlog
	number uint64
	named  [abi.LimitOutputs][]uint64
}

// feed publishes n packets of a few sessions that name slots as choose says.
func (f *feeder) feed(n, length int, choose func() mirror.OutputSet) {
	for range n {
		batch := f.Batch()
		data := batch.Room(length)
		binary.BigEndian.PutUint64(data, f.number)
		p := mirror.Packet{Session: sessionNumbered(f.number % 3), Outputs: choose(), Data: data, Length: length}
		batch.Add(p)
		for slot := range f.named {
			if p.Outputs.Has(slot) {
				f.named[slot] = append(f.named[slot], f.number)
			}
		}
		f.number++
		f.Publish()
	}
}

func sessionNumbered(n uint64) mirror.Session {
	return mirror.Session{VNI: uint32(n), Source: netip.IPv4Unspecified()}
}

func always(slots mirror.OutputSet) func() mirror.OutputSet {
	return func() mirror.OutputSet { return slots }
}

// drain reads all there is and returns the numbers of the packets that name slot.
func drain(f *Follower) (numbers []uint64, err error) {
	for {
		batch, err := f.Next()
		if err != nil || batch == nil {
			return numbers, err
		}
		for i := range batch.Packets {
			if batch.Packets[i].Outputs.Has(f.slot) {
				numbers = append(numbers, binary.BigEndian.Uint64(batch.Packets[i].Data))
			}
		}
	}
}

// One that reads nothing loses the oldest packets, and only those that the row has
// no room for; one that reads all the time loses none.
func TestBacklogOverrun(t *testing.T) {
	t.Parallel()
	feed := &feeder{Backlog: NewBacklog(3 * int64(SegmentBytes))}
	quick, stalled, idle := feed.NewFollower(0, nil), feed.NewFollower(1, nil), feed.NewFollower(2, nil)
	feed.Turn([]*Follower{quick, stalled, idle}, nil, nil)
	feed.feed(10, 64, always(0b11))
	held, err := stalled.Next() // and it goes on reading this while the others go on
	if err != nil || len(held.Packets) != 10 {
		t.Fatalf("%v, %d packets, want 10", err, len(held.Packets))
	}
	var got []uint64
	for range 10 {
		feed.feed(mirror.BatchPackets, 64, always(0b11))
		numbers, err := drain(quick)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, numbers...)
	}
	if diff := cmp.Diff(feed.named[0], got); diff != "" || quick.Lost() != 0 {
		t.Errorf("one that keeps up lost %d (-want +got):\n%s", quick.Lost(), diff)
	}
	for i, p := range held.Packets {
		if n := binary.BigEndian.Uint64(p.Data); n != uint64(i) {
			t.Fatalf("packet %d became %d while it was read", i, n)
		}
	}
	late, err := drain(stalled)
	if err != nil {
		t.Fatal(err)
	}
	named := feed.named[1][10:]
	if diff := cmp.Diff(named[len(named)-len(late):], late); diff != "" {
		t.Errorf("a slow one has not the newest packets (-want +got):\n%s", diff)
	}
	if lost := stalled.Lost(); lost != uint64(len(named)-len(late)) || len(late) < 2*mirror.BatchPackets {
		t.Errorf("%d lost and %d read of %d", lost, len(late), len(named))
	}
	var bySession uint64
	for n := range uint64(3) {
		bySession += stalled.LostOf(sessionNumbered(n))
	}
	if bySession != stalled.Lost() {
		t.Errorf("%d lost by session, %d in all", bySession, stalled.Lost())
	}
	if numbers, err := drain(idle); err != nil || len(numbers) > 0 || idle.Lost() > 0 {
		t.Errorf("%v: one that no packet names had %v and lost %d", err, numbers, idle.Lost())
	}
	if made := len(feed.row) + len(feed.free); made > 3+1 {
		t.Errorf("%d batches of memory, want at most 4", made)
	}
}

// Where one leaves and another joins, each packet is for exactly one of them.
func TestBacklogTurn(t *testing.T) {
	t.Parallel()
	feed := &feeder{Backlog: NewBacklog(4 * int64(SegmentBytes))}
	var orphaned, published mirror.SlotCounts
	feed.Continue(mirror.SlotCounts{5: 100}, func(slot int, packets uint64) { orphaned[slot] += packets })
	before, after := feed.NewFollower(5, nil), feed.NewFollower(5, nil)
	feed.feed(3, 64, always(1<<5))
	feed.Turn([]*Follower{before}, nil, nil)
	feed.feed(5, 64, always(1<<5))
	feed.Turn([]*Follower{after}, []*Follower{before}, nil)
	feed.feed(7, 64, always(1<<5|1<<6))
	feed.Turn(nil, []*Follower{after}, func(counts mirror.SlotCounts) { published = counts })
	feed.feed(11, 64, always(1<<5))
	for _, test := range []struct {
		follower *Follower
		want     []uint64
	}{{before, feed.named[5][3:8]}, {after, feed.named[5][8:15]}} {
		got, err := drain(test.follower)
		if diff := cmp.Diff(test.want, got); diff != "" || err == nil {
			t.Errorf("%v, want the end (-want +got):\n%s", err, diff)
		}
	}
	if orphaned[5] != 3+11 || orphaned[6] != 7 {
		t.Errorf("orphaned %v, want 14 in slot 5 and 7 in slot 6", orphaned)
	}
	if published[5] != 100+3+5+7 || published[6] != 7 {
		t.Errorf("published %v, want 115 in slot 5 and 7 in slot 6", published)
	}
}

// However the paces, every packet is read or lost, and what is read is in order.
func TestBacklogRaces(t *testing.T) {
	t.Parallel()
	feed := &feeder{Backlog: NewBacklog(4 * int64(SegmentBytes))}
	random := rand.New(rand.NewPCG(1, 2))
	var readers sync.WaitGroup
	problems := make(chan string, abi.LimitOutputs)
	counts := make([]uint64, 8)
	followers := make([]*Follower, len(counts))
	for slot := range followers {
		followers[slot] = feed.NewFollower(slot, nil)
		feed.Turn(followers[slot:slot+1], nil, nil)
		readers.Go(func() {
			last := int64(-1)
			for range followers[slot].Ready() {
				time.Sleep(time.Duration(slot*slot) * 50 * time.Microsecond)
				numbers, err := drain(followers[slot])
				counts[slot] += uint64(len(numbers))
				for _, n := range numbers {
					if int64(n) <= last {
						problems <- fmt.Sprintf("follower %d: packet %d after %d", slot, n, last)
						return
					}
					last = int64(n)
				}
				if err != nil {
					return
				}
			}
		})
	}
	for range 200 {
		feed.feed(random.IntN(2000), 64+random.IntN(1400), func() mirror.OutputSet { return mirror.OutputSet(random.Uint32() & 0xff) })
	}
	feed.Turn(nil, followers, nil)
	readers.Wait()
	close(problems)
	for problem := range problems {
		t.Error(problem)
	}
	for slot, f := range followers {
		if named := uint64(len(feed.named[slot])); counts[slot]+f.Lost() != named {
			t.Errorf("follower %d read %d and lost %d of %d", slot, counts[slot], f.Lost(), named)
		}
	}
	if len(feed.followers) > 0 || feed.Waits() {
		t.Errorf("%d followers are left", len(feed.followers))
	}
}

func TestBacklogDoesNotAllocate(t *testing.T) {
	b := NewBacklog(4 * int64(SegmentBytes))
	f := b.NewFollower(0, nil)
	b.Turn([]*Follower{f}, nil, nil)
	turn := func() {
		for range 100 {
			batch := b.Batch()
			batch.Add(mirror.Packet{Outputs: 1, Data: batch.Room(64)})
		}
		b.Publish()
		for {
			if batch, err := f.Next(); batch == nil || err != nil {
				break
			}
		}
	}
	turn()
	if allocations := testing.AllocsPerRun(1000, turn); allocations != 0 {
		t.Errorf("%v allocations, want 0", allocations)
	}
}

// A follower is behind by what was published since it looked last, whoever it is for.
func TestBacklogBehind(t *testing.T) {
	t.Parallel()
	b := &feeder{Backlog: NewBacklog(0)}
	mine, idle := b.NewFollower(0, nil), b.NewFollower(1, nil)
	b.Turn([]*Follower{mine, idle}, nil, nil)
	b.feed(3, 100, always(1))
	b.feed(2, 100, always(4))
	if mine.Behind() != 5 || idle.Behind() != 0 {
		t.Errorf("behind by %d and %d, want 5 and 0", mine.Behind(), idle.Behind())
	}
	if _, err := drain(mine); err != nil || mine.Behind() != 0 {
		t.Errorf("%v; behind by %d when all is read", err, mine.Behind())
	}
}
