package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync/atomic"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// joinedMode is the ledger's mode of a capture that reads along with a daemon.
const joinedMode = "joined"

// joining is a capture that reads along with a daemon: packets come through a
// socket, as the daemon judged them, and nothing is attached.
type joining struct {
	conn     *net.UnixConn
	stopped  atomic.Bool // it has asked for the end
	stream   *export.StreamReader
	sink     export.Sink
	limit    countLimit
	received map[mirror.Session]mirror.SessionAccount
}

// joinedSocket is where the daemon is looked for.
func (e *environment) joinedSocket(o *captureOptions) string {
	return cmp.Or(o.socket, e.socketOf(o.iface))
}

// dialDaemon returns a connection to the daemon that captures from the interface,
// nil if none does, or none that can be read.
func dialDaemon(env *environment, o *captureOptions) (*net.UnixConn, error) {
	path := env.joinedSocket(o)
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil && o.socket != "" {
		return nil, hinted(err, "a daemon listens there if its configuration has an output of type socket with this path")
	}
	if err != nil {
		o.unreadable = err
		return nil, nil
	}
	if o.fixed != "" {
		err := usageErrorf("%s cannot be chosen here: packets come from a daemon, through %s", o.fixed, path)
		return nil, errors.Join(hinted(err, "leave it out, to see what the daemon sees"), conn.Close())
	}
	return conn, nil
}

// explainUnreadable adds to why nothing can be captured that a daemon could be read
// by others.
func explainUnreadable(err error, o *captureOptions) error {
	occupied, incapable := (*loader.OccupiedError)(nil), (*loader.CapabilityError)(nil)
	if errors.Is(o.unreadable, fs.ErrPermission) && (errors.As(err, &occupied) || errors.As(err, &incapable)) {
		return hinted(errors.Join(err, o.unreadable), "a daemon captures there, and lets others read along: `group:` and `mode:` of its output of type socket say whom")
	}
	return err
}

// join captures what a daemon sees until ctx is done, the count is reached, the
// output takes no more, or the daemon ends the stream; then it prints the ledger.
func join(ctx context.Context, env *environment, o *captureOptions, conn *net.UnixConn) (err error) {
	defer conn.Close()
	j := &joining{conn: conn, limit: limitOf(o.count), received: make(map[mirror.Session]mirror.SessionAccount)}
	line, err := json.Marshal(o.wish)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	if j.stream, err = export.NewStreamReader(conn); err != nil {
		return fmt.Errorf("read along with the daemon: %w", err)
	}
	if j.sink, err = o.output.open(env, o.judge.SnapLength, j); err != nil {
		return explainOutput(err)
	}
	say(env.stderr, "listening on %s, through the daemon's socket %s, %s, snap length %d bytes", o.iface, env.joinedSocket(o), o.what, o.judge.SnapLength)
	stop := context.AfterFunc(ctx, j.stop)
	defer stop()
	runErr := j.run()
	closeErr := explainOutput(j.sink.Close())
	return errors.Join(runErr, closeErr, j.report(env, o))
}

// stop has the daemon end the stream: what it has for this capture by then still
// comes, and the counts behind it.
func (j *joining) stop() {
	if !j.stopped.Swap(true) {
		j.conn.CloseWrite() // fails only if the daemon is gone, and then the stream ends too
	}
}

// run moves packets until the stream ends.
func (j *joining) run() (err error) {
	batch := mirror.NewBatch(mirror.BatchPackets, mirror.BatchBytes)
	for {
		batch.Reset()
		readErr := j.read(batch)
		full := j.limit.apply(batch)
		writeErr := errors.Join(j.sink.Write(batch), j.sink.Flush())
		if writeErr != nil && !isNormalEnd(writeErr) {
			err = errors.Join(err, explainOutput(writeErr))
		}
		if full || writeErr != nil {
			j.stop()
		}
		switch {
		case readErr == io.EOF && j.stopped.Load():
			return err
		case readErr == io.EOF:
			return errors.Join(err, errors.New("capture ended: the daemon has ended the stream"))
		case readErr != nil:
			return errors.Join(err, fmt.Errorf("capture ended: read along with the daemon: %w", readErr))
		}
	}
}

// read waits for a packet, and takes those that have come with it.
func (j *joining) read(batch *mirror.Batch) error {
	for len(batch.Packets) == 0 || j.stream.Buffered() {
		if batch.Room(abi.LimitSnapLength) == nil {
			return nil
		}
		p, err := j.stream.Next()
		if err != nil {
			return err
		}
		account := j.received[p.Session]
		account.Packets++
		account.Bytes += uint64(p.Length)
		if p.Truncated {
			account.Truncated++
		}
		j.received[p.Session] = account
		data := batch.Room(len(p.Data))
		if data == nil {
			return fmt.Errorf("a packet of %d bytes", len(p.Data))
		}
		copy(data, p.Data)
		p.Data = data
		batch.Add(p)
	}
	return nil
}

// statistics are what the daemon said of a session, for the file's end.
func (j *joining) statistics(session mirror.Session) export.Statistics {
	counts := j.countsOf(session)
	return export.Statistics{Received: counts.Offered, Dropped: counts.Dropped}
}

func (j *joining) sessionName(session mirror.Session) string { return j.stream.Name(session) }

// countsOf returns what the stream's end said of a session; without an end, what
// came of it.
func (j *joining) countsOf(session mirror.Session) export.StreamCounts {
	if counts, ok := j.stream.Counts()[session]; ok {
		return counts
	}
	came := j.received[session].Packets
	return export.StreamCounts{Offered: came, Accepted: came}
}

// report prints the ledger: what the daemon had for this capture, and what became
// of it.
func (j *joining) report(env *environment, o *captureOptions) error {
	ledger := mirror.NewLedger(o.iface, joinedMode)
	account := j.sink.Account()
	account.Offered = 0
	sessions := j.stream.Counts()
	for session := range j.received {
		sessions[session] = j.countsOf(session)
	}
	for session, counts := range sessions {
		filtered := counts.Offered - counts.Accepted - counts.Dropped
		ledger.Received += counts.Offered
		ledger.Outcomes[abi.OutcomeFiltered] += filtered
		ledger.Outcomes[abi.OutcomeDelivered] += counts.Accepted + counts.Dropped
		received := j.received[session]
		received.Name, received.Packets, received.Filtered = j.stream.Name(session), counts.Offered, filtered
		ledger.Sessions[session] = received
		account.Offered += counts.Accepted + counts.Dropped
		account.Lose(mirror.LossQueueFull, counts.Dropped)
	}
	account.Lose(mirror.LossLimitReached, j.limit.beyond)
	ledger.Outputs[o.output.name()] = &account
	return errors.Join(checkSums(ledger), conclude(env, ledger, o.output.ledger))
}
