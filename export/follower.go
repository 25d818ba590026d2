package export

import (
	"io"
	"maps"
	"slices"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/mirror"
)

// Follower is one reader's place in a Backlog. One goroutine may call Next; any
// may ask for what was lost.
type Follower struct {
	backlog *Backlog
	slot    int         // of the output that it reads for
	book    *books.Book // where what it loses is kept, nil for nowhere
	ready   chan struct{}

	// All that follows is guarded by the backlog's mutex.
	at     place // the next packet that it reads
	due    bool  // there may be packets from there on that name its output
	left   bool  // it has packets only until end
	end    place
	holds  *segment     // where it reads, nil if nowhere
	part   mirror.Batch // what it reads
	lost   uint64
	lostOf map[mirror.Session]uint64
}

// place is that of a packet in the backlog.
type place struct {
	segment uint64 // number of the batch
	packet  int    // index in it
}

// before says whether a place is nearer to the beginning.
func (p place) before(q place) bool {
	return p.segment < q.segment || p.segment == q.segment && p.packet < q.packet
}

// NewFollower returns one that reads packets for the output in a slot, once it has
// joined. What it loses it counts in a book, if there is one.
func (b *Backlog) NewFollower(slot int, book *books.Book) *Follower {
	return &Follower{backlog: b, slot: slot, book: book, ready: make(chan struct{}, 1), lostOf: make(map[mirror.Session]uint64)}
}

// Turn has followers join and others leave, at one place between two packets: each
// packet is for those that leave or for those that join. A follower joins once, and
// must have joined before it leaves. note, which may be nil, is told how many packets
// for each slot there were before that place: nobody gets one meanwhile.
func (b *Backlog) Turn(joining, leaving []*Follower, note func(published mirror.SlotCounts)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if note != nil {
		note(*b.published.Sums())
	}
	for _, f := range joining {
		f.at = b.end()
		b.followers = append(b.followers, f)
	}
	for _, f := range leaving {
		if !f.left {
			f.left, f.end = true, b.end()
			f.wake()
		}
	}
}

// Ready has an element when Next has something to say.
func (f *Follower) Ready() <-chan struct{} { return f.ready }

func (f *Follower) wake() {
	select {
	case f.ready <- struct{}{}:
	default: // it has not looked since it was woken last
	}
}

// Next returns the next packets, of any outputs, or nil if there are none yet. They
// are the follower's until the next call. Once it has left and had all packets
// before that, it returns io.EOF.
func (f *Follower) Next() (*mirror.Batch, error) {
	b := f.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.holds != nil {
		b.release(f.holds)
		f.holds = nil
	}
	defer b.trim()
	for {
		s := b.row[f.at.segment-b.row[0].number]
		to := f.limit(s)
		if f.due && f.at.packet < to && s.named.Has(f.slot) {
			s.holders++
			f.holds = s
			f.part.Packets = s.published[f.at.packet:to:to]
			f.at.packet = to
			return &f.part, nil
		}
		f.at.packet = max(f.at.packet, to)
		if f.left && (!f.due || !f.at.before(f.end)) {
			b.followers = slices.DeleteFunc(b.followers, func(other *Follower) bool { return other == f })
			return nil, io.EOF
		}
		if f.at == b.end() {
			f.due = false
			return nil, nil
		}
		f.at = place{f.at.segment + 1, 0}
	}
}

// limit is how far it may read in a batch.
func (f *Follower) limit(s *segment) int {
	switch {
	case !f.left || s.number < f.end.segment:
		return len(s.published)
	case s.number == f.end.segment:
		return f.end.packet
	}
	return 0
}

// lose counts what the follower has not read of a batch.
func (f *Follower) lose(s *segment) {
	if !f.due || !s.named.Has(f.slot) {
		return
	}
	var session mirror.Session
	run := uint64(0) // packets of the same session in a row
	for i := f.at.packet; i < f.limit(s); i++ {
		p := &s.published[i]
		if !p.Outputs.Has(f.slot) {
			continue
		}
		if p.Session != session {
			f.count(session, run)
			session, run = p.Session, 0
		}
		run++
	}
	f.count(session, run)
}

func (f *Follower) count(session mirror.Session, n uint64) {
	if n > 0 {
		f.lost += n
		f.book.Lose(mirror.LossQueueFull, int(n))
		f.lostOf[session] += n
	}
}

// Behind is how many packets it has yet to go through, of its output and of others.
func (f *Follower) Behind() (n int) {
	f.backlog.mu.Lock()
	defer f.backlog.mu.Unlock()
	if !f.due {
		return 0
	}
	for _, s := range f.backlog.row {
		if from := max(f.at.segment, s.number); from == s.number {
			n += f.limit(s)
		}
	}
	return max(n-f.at.packet, 0)
}

// Lost is how many packets that named its output were given up before it read them.
func (f *Follower) Lost() uint64 {
	f.backlog.mu.Lock()
	defer f.backlog.mu.Unlock()
	return f.lost
}

// LostOf is how many of them were of a session.
func (f *Follower) LostOf(session mirror.Session) uint64 {
	f.backlog.mu.Lock()
	defer f.backlog.mu.Unlock()
	return f.lostOf[session]
}

// lostSessions is how many of them were of each session.
func (f *Follower) lostSessions() map[mirror.Session]uint64 {
	f.backlog.mu.Lock()
	defer f.backlog.mu.Unlock()
	return maps.Clone(f.lostOf)
}
