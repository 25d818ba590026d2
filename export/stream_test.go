package export

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/expression"
)

// streamed is a stream over a buffer that takes only so many bytes.
type streamed struct {
	bytes.Buffer
	room int
}

var errNoRoom = errors.New("no room")

func (s *streamed) Write(p []byte) (int, error) {
	n := min(len(p), s.room)
	s.room -= n
	s.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errNoRoom
	}
	return n, nil
}

// mixed is a batch of packets of several sessions with all that a packet may have.
func mixed(n int) *mirror.Batch {
	b := mirror.NewBatch(n, 200*n)
	for i := range n {
		session := mirror.Session{VNI: uint32(i % 3), Source: netip.MustParseAddr([]string{"10.0.0.1", "2001:db8::1"}[i%2])}
		data := b.Room(60 + i%40)
		clear(data)
		copy(data[12:], "\x08\x00\x45\x00")
		data[23] = []byte{6, 17, 1}[i%3]
		b.Add(mirror.Packet{
			Time: at + int64(i), Session: session, Direction: abi.Direction(i % 3), Truncated: i%4 == 0,
			Endpoint: uint64(i % 5), Length: len(data) + i, Outputs: mirror.FirstOutput, Data: data,
		})
	}
	return b
}

// wanted are the packets of b that a reader gets who asked for 70 bytes of those with a
// VNI above 0, and what it is told of their sessions.
func wanted(b *mirror.Batch) (packets []mirror.Packet, counts map[mirror.Session]StreamCounts) {
	counts = make(map[mirror.Session]StreamCounts)
	for _, p := range b.Packets {
		c := counts[p.Session]
		c.Offered++
		if p.Session.VNI > 0 {
			c.Accepted++
			p.Data = p.Data[:min(len(p.Data), 70)]
			packets = append(packets, p)
		}
		counts[p.Session] = c
	}
	return packets, counts
}

// readStream reads a stream to its end.
func readStream(t *testing.T, stream []byte) (r *StreamReader, packets []mirror.Packet) {
	t.Helper()
	r, err := NewStreamReader(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			return r, packets
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Data = bytes.Clone(p.Data)
		packets = append(packets, p)
	}
}

// What is read is what was written, and what was not is accounted for by session.
func TestStreamRoundTrip(t *testing.T) {
	t.Parallel()
	filter, err := expression.Filter("udp or icmp")
	if err != nil {
		t.Fatal(err)
	}
	to := &streamed{room: 1 << 30}
	backlog := NewBacklog(1)
	follower := backlog.NewFollower(0, nil)
	follower.lostOf[mirror.Session{VNI: 9, Source: netip.IPv4Unspecified()}] = 7
	s, err := NewStream(to, StreamOptions{
		Application: "xdpeel test", Name: func(s mirror.Session) string { return "name of " + s.String() },
		SnapLength: 70, VNIs: []uint32{1, 2, 9}, Filter: filter, Follower: follower,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := mixed(9000)
	if err := errors.Join(s.Write(b), s.Close()); err != nil {
		t.Fatal(err)
	}
	want, counts := wanted(b)
	counts[mirror.Session{VNI: 9, Source: netip.IPv4Unspecified()}] = StreamCounts{Offered: 7, Dropped: 7}
	r, got := readStream(t, to.Bytes())
	compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(counts, r.Counts(), compare); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if name := r.Name(want[0].Session); name != "name of "+want[0].Session.String() {
		t.Errorf("name %q", name)
	}
	account := mirror.OutputAccount{Offered: 9000, Delivered: 6000, Lost: map[mirror.Loss]uint64{mirror.LossReaderFiltered: 3000}}
	if diff := cmp.Diff(account, s.Account()); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	checkTshark(t, to.Bytes(), len(want))
}

// checkTshark has tshark read a stream of so many packets.
func checkTshark(t *testing.T, stream []byte, packets int) {
	t.Helper()
	labtest.Need(t, "tshark")
	tshark := exec.Command("tshark", "-r", "-", "-T", "fields", "-e", "frame.interface_name", "-e", "frame.cap_len", "-e", "frame.len")
	tshark.Stdin = bytes.NewReader(stream)
	text, err := tshark.Output()
	if lines := strings.Count(string(text), "\n"); err != nil || lines != packets {
		t.Errorf("%v: tshark reads %d packets of %d", err, lines, packets)
	}
}

// Wherever a reader goes away, the packets that it had whole are delivered, and
// all others lost.
func TestStreamTorn(t *testing.T) {
	t.Parallel()
	follower := NewBacklog(1).NewFollower(0, nil)
	for room := 0; room < 3000; room += 7 {
		to := &streamed{room: room}
		s, err := NewStream(to, StreamOptions{Follower: follower})
		if err != nil {
			continue // not even the header
		}
		b := mixed(10)
		failures := 0
		for range 3 {
			if s.Write(b) != nil {
				failures++
			}
		}
		if failures > 1 || failures == 1 && s.Close() != nil {
			t.Fatalf("room for %d bytes: it fails more than once", room)
		}
		delivered := uint64(0)
		if r, err := NewStreamReader(&to.Buffer); err == nil {
			for {
				if _, err := r.Next(); err != nil {
					break
				}
				delivered++
			}
		}
		account := s.Account()
		if account.Delivered != delivered || account.Offered != 30 || account.Delivered+account.Lost[mirror.LossWriteError] != 30 {
			t.Fatalf("room for %d bytes: account %+v, and %d packets arrived", room, account, delivered)
		}
	}
}

func TestStreamReaderRefusals(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		StreamRefusal + "too many readers\n": "too many readers",
		"":                                   "read stream: unexpected EOF",
		"hello, world":                       "a block of",
	} {
		if _, err := NewStreamReader(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzStreamReader(f *testing.F) {
	to := &streamed{room: 1 << 20}
	s, err := NewStream(to, StreamOptions{Follower: NewBacklog(1).NewFollower(0, nil)})
	if err := errors.Join(err, s.Write(mixed(5)), s.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(to.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := NewStreamReader(bytes.NewReader(text))
		for err == nil {
			_, err = r.Next()
		}
	})
}
