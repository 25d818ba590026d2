package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// retryInterval is how often a file that takes no more is tried again.
const retryInterval = time.Second

// fileOutput is an output of the configuration that writes capture files. What it
// cannot write it counts as lost, and goes on as soon as it can.
type fileOutput struct {
	config config.Output
	log    *slog.Logger

	mu         sync.Mutex
	share      export.Share
	file       *export.File
	named      uint64    // packets that named the output
	sampledOut uint64    // of them, those that its own sampling left out
	failure    error     // why it takes no packets; nil while it does
	retryAt    time.Time // of a failed one
	closed     bool
	late       uint64 // packets that named it when it was closed
}

// openOutput opens the first file of an output.
func openOutput(c config.Output, seed uint64, book sessionBook, log *slog.Logger) (*fileOutput, error) {
	if info, err := os.Stat(c.Path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open output %q: %s is not a regular file", c.Name, c.Path)
	}
	file, err := export.NewFile(export.FileOptions{
		Path:        c.Path,
		Application: "xdpeel " + versionOf(),
		SnapLength:  uint32(c.Snap.Bytes),
		Name:        book.sessionName,
		Statistics:  book.statistics,
		RotateSize:  c.RotateSize,
		RotateEvery: c.RotateEvery,
	})
	if err != nil {
		return nil, fmt.Errorf("open output %q: %w", c.Name, err)
	}
	return &fileOutput{
		config: c, log: log.With("output", c.Name), file: file,
		share: export.Share{Slot: c.Slot, Sample: c.Sample, Snap: c.Snap, Seed: seed},
	}, nil
}

// write writes the packets of b that name the output.
func (o *fileOutput) write(b *mirror.Batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	part, named := o.share.Of(b)
	o.named += uint64(named)
	o.sampledOut += uint64(named - len(part.Packets))
	if o.closed {
		o.late += uint64(len(part.Packets))
		return
	}
	if len(part.Packets) == 0 {
		return
	}
	tries := o.failure == nil || o.resume()
	err := errors.Join(o.file.Write(part), o.file.Flush())
	switch {
	case err != nil:
		o.fail(err)
	case tries && o.failure != nil:
		o.failure = nil
		o.log.Info("output takes packets again", "lost", o.file.Account().Lost)
	}
}

// resume has a failed file try again, if it is time, and reports whether it does.
func (o *fileOutput) resume() bool {
	now := time.Now()
	if now.Before(o.retryAt) {
		return false
	}
	o.retryAt = now.Add(retryInterval)
	return o.file.Resume() == nil
}

// fail remembers why the file took no more. It says so once, not at every try.
func (o *fileOutput) fail(err error) {
	if o.failure == nil {
		o.log.Error("output takes no packets", "error", err)
	}
	o.failure, o.retryAt = err, time.Now().Add(retryInterval)
}

// reseed has the output sample by another policy's seed.
func (o *fileOutput) reseed(seed uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.share.Seed = seed
}

// state returns the output's account, and why it takes no packets, nil if it does.
func (o *fileOutput) state() (account mirror.OutputAccount, failure error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	account = o.file.Account()
	account.Offered = o.named
	account.Lose(mirror.LossSampledOut, o.sampledOut)
	account.Lose(mirror.LossWriteError, o.late)
	return account, o.failure
}

// shut has all later packets counted as lost, so that the file is the caller's.
func (o *fileOutput) shut() *export.File {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return o.file
}

// close ends the file, which may wait for the disk; nobody waits for that but the caller.
func (o *fileOutput) close() error {
	if err := o.shut().Close(); err != nil {
		return fmt.Errorf("close output %q: %w", o.config.Name, err)
	}
	return nil
}

// discard closes the output as if it had never been opened.
func (o *fileOutput) discard() error {
	if err := o.shut().Discard(); err != nil {
		return fmt.Errorf("discard output %q: %w", o.config.Name, err)
	}
	return nil
}
