package main

import (
	"encoding/binary"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// numbers sends packets that are numbered from 0 until it is told to stop, and
// returns how many there were.
type numbers struct {
	stop chan struct{}
	done sync.WaitGroup
	sent uint64
}

var (
	numberedFrom = frames.Peer{MAC: frames.MAC{2, 1}, Address: lab.Conversation()[0].Packet.Session.Source, Port: 1}
	numberedTo   = frames.Peer{MAC: frames.MAC{2, 2}, Address: lab.Target, Port: 2}
)

func numbered(n uint64) []byte {
	return frames.UDPFrame(numberedFrom, numberedTo, binary.BigEndian.AppendUint64(nil, n))
}

func numberOf(frame []byte) uint64 { return binary.BigEndian.Uint64(frame[len(frame)-8:]) }

func (w *wire) sendNumbers(t *testing.T) *numbers {
	t.Helper()
	n := &numbers{stop: make(chan struct{})}
	sender, err := lab.OpenSender(w.near.Namespace, w.near.Name)
	if err != nil {
		t.Fatal(err)
	}
	n.done.Go(func() {
		defer sender.Close()
		for {
			select {
			case <-n.stop:
				return
			default:
			}
			if err := sender.Send(frames.Wrap(numbered(n.sent), 7, numberedFrom.Address, lab.Target)); err != nil {
				t.Error(err)
				return
			}
			n.sent++
			time.Sleep(100 * time.Microsecond)
		}
	})
	return n
}

func (n *numbers) end() uint64 {
	close(n.stop)
	n.done.Wait()
	return n.sent
}

// countNumbers receives numbered frames until none comes, and fails unless they
// are all there, in order.
func (c *consumer) countNumbers(t *testing.T) (next uint64) {
	for {
		frame, err := c.receiver.Receive(time.Now().Add(2 * time.Second))
		if err != nil {
			return next
		}
		if n := numberOf(frame); n != next {
			t.Errorf("packet %d came to the consumer, want %d", n, next)
			return next
		}
		next++
	}
}

// writtenNumbers counts the numbered packets in capture files.
func writtenNumbers(t *testing.T, pattern string) map[uint64]int {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[uint64]int)
	for _, path := range paths {
		for _, frame := range readWhole(t, unpacked(t, path)) {
			count[numberOf(frame)]++
		}
	}
	return count
}
