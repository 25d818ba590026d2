package export

import (
	"fmt"
	"math"
	"time"

	"github.com/xdpeel/xdpeel/mirror"
)

const (
	// stepSize is the least by which a clock is said to have been set.
	stepSize = time.Second / 2
	// remarkWithin is how long a step waits for a packet that shows it.
	remarkWithin = 10 * time.Second
)

// stamps keeps the times of a file's packets in ascending order, whatever is done to
// the clock. What comes out of order by less than a step is of CPUs that were not
// quite merged, and takes the time of the packet before. After a step back times go
// on by the clock before, until the file ends.
//
// It watches the clock itself, since of a step forward packets alone cannot tell
// whether there was one, or none for an hour.
type stamps struct {
	wall  func() time.Time
	since func() time.Duration // monotonic

	ahead int64         // of the wall clock against the monotonic one, in nanoseconds
	step  time.Duration // by which it was set, and no packet says so yet
	seen  time.Duration // when that was noticed

	begun bool  // whether the file has a packet
	last  int64 // its time
	shift int64 // by which times of this file go on after a step back
	copy  mirror.Packet
}

func newStamps(now func() time.Time) *stamps {
	origin := time.Now()
	s := &stamps{wall: now, since: func() time.Duration { return time.Since(origin) }}
	s.ahead = s.distance()
	return s
}

func (s *stamps) distance() int64 { return s.wall().UnixNano() - s.since().Nanoseconds() }

// look looks whether the clock was set.
func (s *stamps) look() {
	ahead := s.distance()
	if change := time.Duration(ahead - s.ahead); change.Abs() >= stepSize {
		s.step += change
		s.seen = s.since()
	}
	s.ahead = ahead
}

// reckoned is the time, in nanoseconds since the Unix epoch, by which a file ends that
// gets no more packets: as long as none has shown that the clock was set back, it is
// that of the clock before.
func (s *stamps) reckoned() int64 {
	s.look()
	return s.wall().UnixNano() - min(s.step, 0).Nanoseconds()
}

// begin is of a new file.
func (s *stamps) begin() { s.begun, s.shift = false, 0 }

// isBack says whether the clock went back before p.
func (s *stamps) isBack(p *mirror.Packet) bool {
	return s.begun && s.last-(p.Time+s.shift) >= stepSize.Nanoseconds()
}

// stamp returns p as it goes into the file. It lasts until the next call.
func (s *stamps) stamp(p *mirror.Packet) *mirror.Packet {
	if s.isBack(p) {
		s.shift = s.last - p.Time
	}
	at := p.Time + s.shift
	if s.begun {
		at = max(at, s.last)
	}
	s.last, s.begun = at, true
	if at == p.Time {
		return p
	}
	s.copy = *p
	s.copy.Time = at
	return &s.copy
}

// earliest is the least time with which a packet goes into the file as it is, and
// without a remark, in nanoseconds since the Unix epoch.
func (s *stamps) earliest() int64 {
	switch {
	case s == nil:
		return math.MinInt64
	case !s.begun, s.shift != 0, s.step != 0:
		return math.MaxInt64
	}
	return s.last
}

// remark is the comment of the first packet after the clock was set, "" of any other.
func (s *stamps) remark(p *mirror.Packet) string {
	if s.step == 0 {
		return ""
	}
	fromNow := time.Duration(p.Time - s.shift - s.wall().UnixNano())
	if fromNow.Abs() > s.step.Abs()/2 && s.since()-s.seen < remarkWithin {
		return "" // it is of the time before
	}
	word := "forward"
	if s.step < 0 {
		word = "back"
	}
	text := fmt.Sprintf("the clock was set %s by %.3f s before this packet", word, s.step.Abs().Seconds())
	if s.shift != 0 {
		text += fmt.Sprintf("; times of this file go on by the clock before, %.3f s ahead", time.Duration(s.shift).Seconds())
	}
	s.step = 0
	return text
}
