package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// runtimeDirectory is where a daemon's sockets are, and are looked for.
const runtimeDirectory = "/run/xdpeel"

// socketOf is where a daemon that captures from an interface is read.
func (e *environment) socketOf(iface string) string {
	return filepath.Join(cmp.Or(e.runtime, runtimeDirectory), iface+".sock")
}

// socketOutput streams packets to each that reads one of its sockets. Readers come
// and go; each has a place of its own in the backlog.
type socketOutput struct {
	config   config.Output
	log      *slog.Logger
	backlog  *export.Backlog
	sessions sessionInfo
	register *register
	doors    []*door
	working  sync.WaitGroup // all goroutines

	mu      sync.Mutex
	seed    uint64
	closed  bool
	present int                    // readers that have not left
	readers map[*socketReader]bool // these, and those that have not had their last packet yet
	gone    mirror.OutputAccount   // of all others
	nobody  *export.Follower       // follows while no reader is present
}

// openSockets opens the sockets of an output, not yet under their own names: those
// still belong to the output that it may take the place of.
func openSockets(c config.Output, paths []string, seed uint64, backlog *export.Backlog, sessions sessionInfo, register *register, log *slog.Logger) (*socketOutput, error) {
	o := &socketOutput{
		config: c, log: log.With("output", c.Name), backlog: backlog, sessions: sessions, register: register, seed: seed,
		readers: make(map[*socketReader]bool),
	}
	if c.Socket.Path != "" {
		paths = []string{c.Socket.Path}
	} else if len(paths) > 0 {
		if err := os.MkdirAll(filepath.Dir(paths[0]), 0o755); err != nil {
			return nil, err
		}
	}
	for _, path := range paths {
		d, err := openDoor(path, c.Socket)
		if err != nil {
			return nil, errors.Join(err, o.shut())
		}
		o.doors = append(o.doors, d)
	}
	return o, nil
}

func (o *socketOutput) settings() config.Output { return o.config }

func (o *socketOutput) start() (joining []*export.Follower) {
	for _, d := range o.doors {
		if err := d.rename(); err != nil {
			o.log.Error("socket does not get its name", "error", err, "hint", "nobody can connect: `xdpeel status` says whether the output fails; restart xdpeel")
		}
		o.working.Go(func() { o.welcome(d.listener) })
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return []*export.Follower{o.follow()}
}

// follow returns who is to join when no reader is there any more.
func (o *socketOutput) follow() *export.Follower {
	o.nobody = o.backlog.NewFollower(o.config.Slot, nil)
	unread := &portion{follower: o.nobody, share: export.Share{Slot: o.config.Slot}}
	o.working.Go(func() { o.countUnread(unread) })
	return o.nobody
}

// countUnread counts what comes while nobody reads.
func (o *socketOutput) countUnread(unread *portion) {
	for range unread.follower.Ready() {
		last := unread.each(func(part *mirror.Batch) { o.miss(uint64(len(part.Packets))) })
		if last {
			o.miss(unread.follower.Lost())
			return
		}
	}
}

func (o *socketOutput) miss(packets uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone.Offered += packets
	o.gone.Lose(mirror.LossNoReader, packets)
	o.book().Lose(mirror.LossNoReader, int(packets))
}

func (o *socketOutput) book() *books.Book { return o.register.book(o.config.Name) }

// welcome takes readers until the listener is closed.
func (o *socketOutput) welcome(listener *net.UnixListener) {
	letIn(listener, func(conn *net.UnixConn) { o.working.Go(func() { o.entertain(conn) }) }, func(err error) {
		o.log.Error("reader is not let in", "error", err, "hint", "it is tried again; too many open files is LimitNOFILE of the unit")
	})
}

// entertain serves a reader, or tells it why not.
func (o *socketOutput) entertain(conn *net.UnixConn) {
	defer conn.Close()
	if err := o.serve(conn); err != nil {
		o.log.Warn("reader is sent away", "error", err, "hint", "it may connect again; docs/configure.md tells how a reader asks")
		conn.SetWriteDeadline(time.Now().Add(farewell))
		fmt.Fprintf(conn, "%s%v\n", export.StreamRefusal, err)
	}
}

// serve streams to a reader until it or the output ends. Its error is for the
// reader, that has had nothing yet.
func (o *socketOutput) serve(conn *net.UnixConn) error {
	wish, err := readWish(conn)
	if err != nil {
		return err
	}
	r, err := o.newReader(conn, wish)
	if err != nil {
		return err
	}
	if err := o.join(r); err != nil {
		return err
	}
	go r.awaitEnd(func() { o.leave(r) }) // ends with the connection
	if err := r.begin(o.sessions); err != nil {
		o.leave(r)
	}
	r.run(func() { o.leave(r) })
	o.bury(r)
	return nil
}

// join lets a reader have packets from now on.
func (o *socketOutput) join(r *socketReader) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errors.New("the daemon ends, or its configuration has changed")
	}
	if o.present == o.config.Socket.Readers {
		return fmt.Errorf("there are %d readers already", o.present)
	}
	var leaving []*export.Follower
	if o.present == 0 {
		leaving = append(leaving, o.nobody)
	}
	o.present++
	o.backlog.Turn([]*export.Follower{r.follower}, leaving, o.register.share(o.config.Name, o.config.Slot, o.present))
	o.readers[r] = true
	o.log.Info("reader comes", "process", r.process, "user", r.user, "filter", r.wish.Filter)
	return nil
}

// leave lets a reader have no more packets than came until now.
func (o *socketOutput) leave(r *socketReader) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.left || o.closed {
		return
	}
	r.left = true
	var joining []*export.Follower
	if o.present--; o.present == 0 {
		joining = append(joining, o.follow())
	}
	o.backlog.Turn(joining, []*export.Follower{r.follower}, o.register.share(o.config.Name, o.config.Slot, o.present))
}

// bury keeps the account of a reader that has had its last packet.
func (o *socketOutput) bury(r *socketReader) {
	account := r.account()
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.readers, r)
	add(&o.gone, account)
	o.log.Info("reader goes", "process", r.process, "offered", account.Offered, "delivered", account.Delivered, "lost", account.Lost)
}

// stop sends the readers away: they get what came until now, and a moment to read it.
func (o *socketOutput) stop() (leaving []*export.Follower) {
	if err := o.shut(); err != nil {
		o.log.Error("socket is not closed in order", "error", err, "hint", "its name may be left: remove it if no xdpeel runs")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for r := range o.readers {
		r.conn.SetWriteDeadline(time.Now().Add(farewell))
		leaving = append(leaving, r.follower)
	}
	return append(leaving, o.nobody)
}

// shut closes the sockets.
func (o *socketOutput) shut() error {
	var errs []error
	for _, d := range o.doors {
		errs = append(errs, d.close())
	}
	return errors.Join(errs...)
}

func (o *socketOutput) account() mirror.OutputAccount {
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := mirror.OutputAccount{Lost: make(map[mirror.Loss]uint64)}
	add(&sum, o.gone)
	for r := range o.readers {
		account := r.account()
		add(&sum, account)
		sum.Readers = append(sum.Readers, r.form(account))
	}
	return sum
}

func (o *socketOutput) why() error { return nil }

// reading tells how far the slowest reader is behind.
func (o *socketOutput) reading() (reading export.OutputReading) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for r := range o.readers {
		reading.Behind = max(reading.Behind, r.follower.Behind())
	}
	return reading
}

func (o *socketOutput) reseed(seed uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seed = seed
	for r := range o.readers {
		r.reseed(seed)
	}
}

func (o *socketOutput) close() error {
	o.working.Wait()
	return nil
}

func (o *socketOutput) discard() error {
	err := o.shut()
	o.working.Wait()
	return err
}
