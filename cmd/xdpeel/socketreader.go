package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/expression"
)

// wish is what a reader of a socket asks for, in its first line: as JSON, or as an
// expression alone. An empty line, or none, asks for everything.
type wish struct {
	Filter     string   `json:"filter"`  // a tcpdump expression
	VNIs       []uint32 `json:"vnis"`    // nil: all
	SnapLength int      `json:"snaplen"` // bytes, 0: all
}

const (
	// wishPatience is how long one who connects may take to say what it wants.
	wishPatience = 5 * time.Second
	// maxWish bounds the line.
	maxWish = 64 << 10
)

func readWish(conn *net.UnixConn) (w wish, err error) {
	conn.SetReadDeadline(time.Now().Add(wishPatience))
	defer conn.SetReadDeadline(time.Time{})
	line, err := bufio.NewReaderSize(io.LimitReader(conn, maxWish), maxWish).ReadString('\n')
	line = strings.TrimSpace(line)
	switch {
	case err != nil && err != io.EOF:
		return w, fmt.Errorf("what is wanted is not said: %w", err)
	case err == io.EOF && len(line) > 0:
		return w, errors.New("what is wanted is a line, and has an end")
	case strings.HasPrefix(line, "{"):
		if err := json.Unmarshal([]byte(line), &w); err != nil {
			return w, fmt.Errorf("what is wanted is not understood: %w", err)
		}
		if w.SnapLength != 0 && w.SnapLength < mirror.EthernetLength {
			return w, fmt.Errorf("snaplen %d is less than %d", w.SnapLength, mirror.EthernetLength)
		}
	default:
		w.Filter = line
	}
	return w, nil
}

// socketReader is one that reads a socket.
type socketReader struct {
	portion
	conn    *net.UnixConn
	process int32
	user    uint32
	wish    wish
	filter  *mirror.Filter
	since   time.Time
	stream  guarded[*export.Stream] // nil: not begun
	left    bool                    // guarded by the output
}

func (o *socketOutput) newReader(conn *net.UnixConn, w wish) (*socketReader, error) {
	filter, err := expression.Filter(w.Filter)
	if err != nil {
		return nil, err
	}
	peer, err := peerOf(conn)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return &socketReader{
		portion: portion{
			follower: o.backlog.NewFollower(o.config.Slot, o.book()), book: o.book(),
			share: export.Share{Slot: o.config.Slot, Sample: o.config.Sample, Snap: o.config.Snap, Seed: o.seed},
		},
		conn: conn, process: peer.Pid, user: peer.Uid, wish: w, filter: filter, since: time.Now(),
	}, nil
}

// begin sends the reader the header.
func (r *socketReader) begin(sessions sessionInfo) error {
	stream, err := export.NewStream(r.conn, export.StreamOptions{
		Application: "xdpeel " + versionOf(), Name: sessions.sessionName,
		SnapLength: r.wish.SnapLength, VNIs: r.wish.VNIs, Filter: r.filter, Follower: r.follower, Book: r.book,
	})
	r.stream.set(stream)
	return err
}

// awaitEnd calls leave when the reader says no more, or is gone.
func (r *socketReader) awaitEnd(leave func()) {
	io.Copy(io.Discard, r.conn) // whatever it is: it has said what it wants
	leave()
}

// run writes until the reader has left and has had all its packets. It calls leave
// when the reader takes no more.
func (r *socketReader) run(leave func()) {
	stream := r.stream.get()
	for range r.follower.Ready() {
		last := r.each(func(part *mirror.Batch) {
			if err := stream.Write(part); err != nil {
				leave()
			}
		})
		if last {
			stream.Close() // its error is that the reader is gone
			return
		}
	}
}

func (r *socketReader) account() (account mirror.OutputAccount) {
	if stream := r.stream.get(); stream != nil {
		account = stream.Account()
	}
	return r.complete(account)
}

func (r *socketReader) form(account mirror.OutputAccount) mirror.ReaderAccount {
	return mirror.ReaderAccount{
		Process: r.process, User: r.user, Filter: r.wish.Filter, Since: r.since,
		Offered: account.Offered, Delivered: account.Delivered, Lost: account.Lost,
	}
}
