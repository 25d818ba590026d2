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
	// readerLag is how much later than a packet the reader may give it out: it
	// holds packets back to put those of all CPUs in order.
	readerLag = time.Millisecond
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
