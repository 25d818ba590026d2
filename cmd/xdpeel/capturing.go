package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// capturing is a capture that runs: packets go from the reader to the sink until
// something ends it, and what is in the rings by then goes the same way.
type capturing struct {
	program    *loader.Program
	attachment *loader.Attachment
	reader     *loader.Reader
	sink       export.Sink
	limit      countLimit

	ending   sync.Once
	endError error // of taking the program off
}

// capture captures until ctx is done, the count is reached, the output takes no
// more, or the interface goes away; then it prints the ledger.
func capture(ctx context.Context, env *environment, o *captureOptions) (err error) {
	program, err := loader.Load(o.judge, o.policy)
	if err != nil {
		return explainLoader(err)
	}
	defer func() { err = errors.Join(err, program.Close()) }()
	attachment, err := program.Attach(o.iface, o.mode)
	if err != nil {
		return explainLoader(err)
	}
	c := &capturing{program: program, attachment: attachment, limit: limitOf(o.count)}
	defer func() { c.end(); err = errors.Join(err, c.endError) }()
	if c.sink, err = o.output.open(env, o.judge.SnapLength, c); err != nil {
		return explainOutput(err)
	}
	if c.reader, err = program.NewReader(); err != nil {
		return errors.Join(err, c.sink.Close())
	}
	if env.alone {
		if err := shed(ofFiles...); err != nil {
			return errors.Join(err, c.reader.Close(), c.sink.Close())
		}
	}
	announce(env, o, attachment)
	if o.wrap != nil {
		c.sink = o.wrap(c.sink)
	}
	if o.ready != nil {
		o.ready()
	}
	runErr := c.run(ctx)
	closeErr := errors.Join(c.reader.Close(), explainOutput(c.sink.Close()))
	return errors.Join(runErr, closeErr, c.report(env, o))
}

// statistics are what the kernel knows of a session, for the file's end.
func (c *capturing) statistics(session mirror.Session) export.Statistics {
	account, err := c.program.Session(session)
	if err != nil {
		return export.Statistics{}
	}
	return export.Statistics{Received: account.Packets, Dropped: account.Lost}
}

// sessionName is "": there is no configuration that names sessions.
func (c *capturing) sessionName(mirror.Session) string { return "" }

// run pumps until the end and returns why it came, nil for a good reason.
func (c *capturing) run(ctx context.Context) error {
	watching, stopWatching := context.WithCancel(ctx)
	var watch sync.WaitGroup
	var watchErr error
	watch.Go(func() {
		watchErr = c.watch(watching)
		c.end()
		c.reader.Stop()
	})
	pumpErr := c.pump(stopWatching)
	stopWatching()
	watch.Wait()
	return errors.Join(pumpErr, watchErr)
}

// watch returns when ctx is done, or with the reason why the program is off its interface.
func (c *capturing) watch(ctx context.Context) error {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := c.attachment.Check(); err != nil {
				return fmt.Errorf("capture ended: %w", err)
			}
		}
	}
}

// pump moves packets until the reader has no more. It calls stop when no more
// are wanted or none can be taken, and counts those that come all the same.
func (c *capturing) pump(stop func()) (err error) {
	batch := export.NewCaptureBatch()
	for {
		batch.Reset()
		readErr := c.reader.Read(batch)
		if readErr != nil {
			if readErr != io.EOF {
				err = errors.Join(err, readErr)
			}
			return err
		}
		full := c.limit.apply(batch)
		writeErr := errors.Join(c.sink.Write(batch), c.sink.Flush())
		if writeErr != nil && !isNormalEnd(writeErr) {
			err = errors.Join(err, explainOutput(writeErr))
		}
		if full || writeErr != nil {
			stop()
		}
	}
}

// end takes the program off the interface, once.
func (c *capturing) end() {
	c.ending.Do(func() { c.endError = c.attachment.Close() })
}

// report prints the ledger, once nothing moves any more.
func (c *capturing) report(env *environment, o *captureOptions) error {
	ledger, slots, err := c.program.Ledger()
	if err != nil {
		return err
	}
	ledger.Interface, ledger.Mode = o.iface, string(c.attachment.Mode)
	account := c.sink.Account()
	account.Offered = ledger.Outcomes[abi.OutcomeDelivered]
	account.Lose(mirror.LossLimitReached, c.limit.beyond)
	for reason, n := range slots[0].Lost {
		account.Lose(reason, n)
	}
	ledger.Outputs[o.output.name()] = &account
	return errors.Join(checkSums(ledger), conclude(env, ledger, o.output.ledger))
}

// isNormalEnd says whether an output that takes no more has had all that was
// asked for: its reader went away, or the last file is written.
func isNormalEnd(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, export.ErrFilesLimit)
}
