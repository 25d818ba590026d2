package main

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
)

const (
	// readerLag is how much later than a packet the reader may give it out, and as much
	// again, since packets and the pump are not timed by one clock.
	readerLag = 2 * loader.HoldBack
	// idleWait is a wait of the reader that cannot be but for want of packets.
	idleWait = 50 * time.Millisecond
)

// pump moves packets from the rings to the backlog, and knows how far it is.
type pump struct {
	reader  *loader.Reader
	backlog *export.Backlog
	start   time.Time

	// Nanoseconds since start.
	reading  atomic.Int64 // when the read that goes on began; 0: none does
	caughtUp atomic.Int64 // when the last read began that left nothing in the rings
	turned   atomic.Int64 // when the last read ended
}

func newPump(reader *loader.Reader, backlog *export.Backlog) *pump {
	return &pump{reader: reader, backlog: backlog, start: time.Now()}
}

// run pumps until the reader is stopped and the rings are empty.
func (p *pump) run() error {
	for {
		batch := p.backlog.Batch()
		begun := max(int64(time.Since(p.start)), 1)
		p.reading.Store(begun)
		err := p.reader.Read(batch)
		p.turned.Store(int64(time.Since(p.start)))
		p.reading.Store(0)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		p.backlog.Publish()
		if batch.Room(abi.LimitSnapLength) != nil {
			p.caughtUp.Store(begun)
		}
	}
}

// isPast reports whether every packet that came before a time is in the backlog.
func (p *pump) isPast(t time.Time) bool {
	at := t.Sub(p.start)
	if time.Duration(p.caughtUp.Load()) > at+readerLag {
		return true
	}
	reading := time.Duration(p.reading.Load())
	return reading > 0 && time.Since(p.start)-max(reading, at) > idleWait
}

// stuckAfter is far longer than anything takes that the pump does between two reads.
const stuckAfter = 5 * time.Second

// isStuck reports whether the pump does not get to read any more, which must not be.
func (p *pump) isStuck() bool {
	return p.reading.Load() == 0 && time.Since(p.start)-time.Duration(p.turned.Load()) > stuckAfter
}
