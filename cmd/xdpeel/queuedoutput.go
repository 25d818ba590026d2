package main

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// retryInterval is how often an output that takes no packets is tried again.
const retryInterval = time.Second

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
	config   config.Output
	log      *slog.Logger
	sink     sink
	follower *export.Follower
	book     *mirror.Book
	writes   *export.Durations // how long the sink took for a batch; the name's
	ended    chan struct{}     // closed when the goroutine has written its last; nil: not started
	retryAt  time.Time         // of a failed one; the goroutine's own

	mu         sync.Mutex // not held while the sink works, which may take long
	share      export.Share
	named      uint64 // packets that named the output, of those that it read
	sampledOut uint64 // of them, those that its own sampling left out
	failure    error  // why it takes no packets; nil while it does
}

func newQueuedOutput(c config.Output, seed uint64, follower *export.Follower, sink sink, book *mirror.Book, writes *export.Durations, log *slog.Logger) *queuedOutput {
	o := &queuedOutput{
		config: c, log: log.With("output", c.Name), sink: sink, follower: follower, book: book, writes: writes,
		share: export.Share{Slot: c.Slot, Sample: c.Sample, Snap: c.Snap, Seed: seed},
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
		case <-ticker.C:
			o.look()
			continue
		}
		for {
			batch, err := o.follower.Next()
			if err != nil {
				return
			}
			if batch == nil {
				break
			}
			o.write(batch)
		}
	}
}

// write writes the packets of b that name the output.
func (o *queuedOutput) write(b *mirror.Batch) {
	part := o.partOf(b)
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

func (o *queuedOutput) partOf(b *mirror.Batch) *mirror.Batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	part, named := o.share.Of(b)
	o.named += uint64(named)
	o.sampledOut += uint64(named - len(part.Packets))
	o.book.Lose(mirror.LossSampledOut, named-len(part.Packets))
	return part
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
		o.set(nil)
		o.log.Info("output takes packets again", "lost", o.sink.Account().Lost)
	}
}

// fail remembers why the sink took no more. It says so once, not at every try.
func (o *queuedOutput) fail(err error) {
	if o.why() == nil {
		o.log.Error("output takes no packets", "error", err, "hint", "it is tried again every second; what it misses is counted as lost")
	}
	o.retryAt = time.Now().Add(retryInterval)
	o.set(err)
}

func (o *queuedOutput) set(failure error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failure = failure
}

func (o *queuedOutput) why() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failure
}

func (o *queuedOutput) reseed(seed uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.share.Seed = seed
}

func (o *queuedOutput) account() mirror.OutputAccount {
	account, late := o.sink.Account(), o.follower.Lost()
	o.mu.Lock()
	defer o.mu.Unlock()
	account.Offered = o.named + late
	account.Lose(mirror.LossSampledOut, o.sampledOut)
	account.Lose(mirror.LossQueueFull, late)
	return account
}

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
