package main

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
)

// stormListener is a consumer that reads an interface, from when all was at rest
// until it is again.
type stormListener struct {
	receiver *lab.Receiver
	accept   func(n uint64) bool
	before   uint64 // what had been delivered when it began
	shaken   int    // how often its interface has come up: the socket learns of that a moment later
	stopping atomic.Bool
	done     chan struct{}
	got      uint64
	failure  error
}

// listenStorm has a consumer read an interface; it accepts the numbers of the packets
// that may come.
func listenStorm(t *testing.T, namespace *lab.Namespace, name string, accept func(n uint64) bool) *stormListener {
	t.Helper()
	receiver, err := lab.OpenReceiver(namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	l := &stormListener{receiver: receiver, accept: accept, done: make(chan struct{})}
	go l.run()
	return l
}

// run counts packets.
func (l *stormListener) run() {
	defer close(l.done)
	for {
		frame, err := l.receiver.Receive(time.Now().Add(100 * time.Millisecond))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && l.stopping.Load():
			return
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, unix.ENETDOWN):
		case err != nil:
			l.failure = err
			return
		default:
			if n := stormNumber(frame); !l.accept(n) && l.failure == nil {
				l.failure = fmt.Errorf("packet %d came to a consumer out of order, or twice", n)
			}
			l.got++
		}
	}
}

// end has it read what is there. It returns what came, and what its own buffer
// could not hold.
func (l *stormListener) end(t *testing.T) uint64 {
	t.Helper()
	l.stopping.Store(true)
	<-l.done
	lost, err := l.receiver.Lost()
	if err := errors.Join(l.failure, err, l.receiver.Close()); err != nil {
		t.Error(err)
	}
	return l.got + uint64(lost)
}

// once accepts every number once.
func once() func(n uint64) bool {
	var seen []bool
	return func(n uint64) bool {
		for uint64(len(seen)) <= n {
			seen = append(seen, make([]bool, 1<<16)...)
		}
		before := seen[n]
		seen[n] = true
		return !before
	}
}

// ascending accepts every number that is higher than those before.
func ascending() func(n uint64) bool {
	next := uint64(0)
	return func(n uint64) bool {
		if n < next {
			return false
		}
		next = n + 1
		return true
	}
}
