package export

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/mirror"
)

// streamBufferSize is what a Stream writes at once at most, in bytes, but for a
// packet that is larger.
const streamBufferSize = 128 << 10

// StreamBytes is the memory that a Stream takes besides a batch of the backlog.
const StreamBytes = 2*streamBufferSize + mirror.BatchPackets*mirror.PacketBytes

// StreamOptions say what a Stream holds, and who reads it.
type StreamOptions struct {
	Application string                      // "xdpeel 1.2.3"
	Name        func(mirror.Session) string // configured name of a session, "" without
	SnapLength  int                         // bytes of a packet that are kept, 0: all
	VNIs        []uint32                    // that are wanted; nil: all
	Filter      *mirror.Filter              // what is wanted of these; nil: all
	Follower    *Follower                   // whose losses stand in the statistics
	Book        *books.Book                 // keeps the account; nil: it ends with the process
}

// Stream writes pcapng to one reader, as it comes: the packets that the reader
// asked for, and in the end statistics that account for every packet of every
// session that there was for it. Its methods belong to one goroutine, but for
// Account.
type Stream struct {
	to       io.Writer
	options  StreamOptions
	section  section
	buffer   []byte
	ends     []int // of the packets in buffer: the offset behind each
	sessions map[mirror.Session]*StreamCounts
	last     *StreamCounts // of lastOf
	lastOf   mirror.Session
	broken   bool // the reader takes no more
	account  account
}

// NewStream begins a stream and writes its header, since a reader waits for it. Its error
// is that of who writes; the stream is there all the same.
func NewStream(to io.Writer, o StreamOptions) (*Stream, error) {
	s := &Stream{
		to: to, options: o,
		section:  section{application: o.Application, os: hostOS(), snapLength: uint32(o.SnapLength), name: o.Name},
		buffer:   make([]byte, 0, 2*streamBufferSize),
		sessions: make(map[mirror.Session]*StreamCounts),
		account:  account{book: o.Book},
	}
	s.buffer = s.section.begin(s.buffer)
	return s, s.flush()
}

// Write writes what the reader asked for of the packets of b. After an error it
// counts all packets as lost.
func (s *Stream) Write(b *mirror.Batch) error {
	s.account.offer(len(b.Packets))
	if s.broken {
		s.account.lose(mirror.LossWriteError, len(b.Packets))
		return nil
	}
	filtered := 0
	for i := range b.Packets {
		p := &b.Packets[i]
		counts := s.of(p.Session)
		counts.Offered++
		if !s.wants(p) {
			filtered++
			continue
		}
		counts.Accepted++
		s.add(p)
		if len(s.buffer) < streamBufferSize {
			continue
		}
		if err := s.flush(); err != nil {
			s.account.lose(mirror.LossReaderFiltered, filtered)
			s.account.lose(mirror.LossWriteError, len(b.Packets)-i-1)
			return err
		}
	}
	s.account.lose(mirror.LossReaderFiltered, filtered)
	return s.flush()
}

// of returns the counts of a session.
func (s *Stream) of(session mirror.Session) *StreamCounts {
	if s.last == nil || s.lastOf != session {
		s.lastOf, s.last = session, s.sessions[session]
		if s.last == nil {
			s.last = new(StreamCounts)
			s.sessions[session] = s.last
		}
	}
	return s.last
}

// wants says whether the reader asked for a packet.
func (s *Stream) wants(p *mirror.Packet) bool {
	if s.options.VNIs != nil && !slices.Contains(s.options.VNIs, p.Session.VNI) {
		return false
	}
	if s.options.Filter == nil {
		return true
	}
	headers := mirror.ReadHeaders(p.Data)
	return s.options.Filter.Match(p.Direction, &headers).Accept
}

// add puts the blocks of a packet into the buffer.
func (s *Stream) add(p *mirror.Packet) {
	number := s.interfaceOf(p.Session, p.Time)
	if snap := s.options.SnapLength; snap > 0 && len(p.Data) > snap {
		cut := *p
		cut.Data = cut.Data[:snap]
		p = &cut
	}
	s.buffer = s.section.appendPacket(s.buffer, p, number)
	s.ends = append(s.ends, len(s.buffer))
}

// interfaceOf returns the number of a session's interface, which may be a new one.
func (s *Stream) interfaceOf(session mirror.Session, time int64) uint32 {
	number, known := s.section.number(session)
	if !known {
		s.buffer = s.section.appendInterface(s.buffer, session)
		number = s.section.addInterface(session, time)
	}
	return number
}

// flush writes the buffer. Packets that were taken whole are delivered.
func (s *Stream) flush() error {
	n, err := s.to.Write(s.buffer)
	if err == nil && n < len(s.buffer) {
		err = io.ErrShortWrite
	}
	whole := len(s.ends)
	if err != nil {
		s.broken = true
		whole, _ = slices.BinarySearch(s.ends, n+1)
	}
	s.account.deliver(whole)
	s.account.lose(mirror.LossWriteError, len(s.ends)-whole)
	s.buffer, s.ends = s.buffer[:0], s.ends[:0]
	return err
}

// Close ends the stream with an interface and its statistics for each session that
// there was a packet of, wanted or not. It does not close what it writes to.
func (s *Stream) Close() error {
	if s.broken {
		return nil
	}
	for session, lost := range s.options.Follower.lostSessions() {
		counts := s.of(session)
		counts.Offered += lost
		counts.Dropped += lost
	}
	sessions := slices.SortedFunc(maps.Keys(s.sessions), func(a, b mirror.Session) int {
		return cmp.Or(cmp.Compare(a.VNI, b.VNI), a.Source.Compare(b.Source))
	})
	var err error
	for _, session := range sessions {
		number := s.interfaceOf(session, 0)
		s.buffer = s.section.interfaces[number].appendStreamCounts(s.buffer, number, *s.sessions[session])
		if len(s.buffer) >= streamBufferSize && err == nil {
			err = s.flush()
		}
	}
	err = errors.Join(err, s.flush())
	s.broken = true
	return err
}

// Account says what became of the packets so far.
func (s *Stream) Account() mirror.OutputAccount { return s.account.snapshot() }
