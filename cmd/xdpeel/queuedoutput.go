package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// sink is where a queued output's packets go.
type sink interface {
	export.Sink
	// Resume has one that took no more try again; the error says why it cannot.
	Resume() error
	// Discard closes it as if it had never been opened.
	Discard() error
}

// queuedOutput takes its packets out of the backlog and writes them to a sink, on a
// goroutine of its own. What it cannot write, or comes too late to read, it counts
// as lost; it goes on as soon as it can.
type queuedOutput struct {
	portion
	config  config.Output
	log     *slog.Logger
	sink    sink
	writes  *export.Durations // how long the sink took for a batch; the name's
	ended   chan struct{}     // closed when the goroutine has written its last; nil: not started
	retryAt time.Time         // of a failed one; the goroutine's own
	failure guarded[error]    // why it takes no packets; nil while it does
}

func newQueuedOutput(c config.Output, seed uint64, follower *export.Follower, sink sink, book *books.Book, writes *export.Durations, log *slog.Logger) *queuedOutput {
	o := &queuedOutput{
		portion: portion{follower: follower, book: book, share: export.Share{Slot: c.Slot, Sample: c.Sample, Snap: c.Snap, Seed: seed}},
		config:  c, log: log.With("output", c.Name), sink: sink, writes: writes,
	}
	o.look() // it may take none from the beginning
	return o
}

func (o *queuedOutput) settings() config.Output { return o.config }

func (o *queuedOutput) start() (joining []*export.Follower) {
	o.ended = make(chan struct{})
	go o.run()
	return []*export.Follower{o.follower}
}

func (o *queuedOutput) stop() (leaving []*export.Follower) { return []*export.Follower{o.follower} }

// run writes until the follower has left and had all its packets.
func (o *queuedOutput) run() {
	defer close(o.ended)
	ticker := time.NewTicker(retryInterval)
	defer ticker.Stop()
	for {
		select {
		case <-o.follower.Ready():
			if last := o.each(o.write); last {
				return
			}
		case <-ticker.C:
			o.look()
		}
	}
}

// write writes packets, if there are any.
func (o *queuedOutput) write(part *mirror.Batch) {
	if len(part.Packets) == 0 {
		return
	}
	if !time.Now().Before(o.retryAt) {
		o.retry()
	}
	begun := time.Now()
	err := errors.Join(o.sink.Write(part), o.sink.Flush())
	o.writes.Observe(time.Since(begun))
	if err != nil {
		o.fail(err)
	}
}

// look sees what time alone has done to the sink: it may have failed, or may take
// packets again.
func (o *queuedOutput) look() {
	if o.why() != nil {
		o.retry()
	} else if err := o.sink.Flush(); err != nil {
		o.fail(err)
	}
}

// retry has a failed sink try again.
func (o *queuedOutput) retry() {
	if o.why() == nil {
		return
	}
	o.retryAt = time.Now().Add(retryInterval)
	if o.sink.Resume() == nil {
		o.failure.set(nil)
		o.log.Info("output takes packets again", "lost", o.sink.Account().Lost)
	}
}

// fail remembers why the sink took no more. It says so once, not at every try.
func (o *queuedOutput) fail(err error) {
	if o.why() == nil {
		o.log.Error("output takes no packets", "error", err, "hint", "it is tried again every second; what it misses is counted as lost")
	}
	o.retryAt = time.Now().Add(retryInterval)
	o.failure.set(err)
}

func (o *queuedOutput) why() error { return o.failure.get() }

func (o *queuedOutput) account() mirror.OutputAccount { return o.complete(o.sink.Account()) }

func (o *queuedOutput) reading() export.OutputReading {
	reading := export.OutputReading{Failing: o.why() != nil, Behind: o.follower.Behind(), Writes: o.writes.Reading()}
	if files, ok := o.sink.(*fileOutput); ok {
		reading.Files = files.files()
	}
	return reading
}

func (o *queuedOutput) close() error {
	<-o.ended
	if err := o.sink.Close(); err != nil {
		return fmt.Errorf("close output %q: %w", o.config.Name, err)
	}
	return nil
}

func (o *queuedOutput) discard() error {
	if o.ended != nil {
		<-o.ended
	}
	if err := o.sink.Discard(); err != nil {
		return fmt.Errorf("discard output %q: %w", o.config.Name, err)
	}
	return nil
}
