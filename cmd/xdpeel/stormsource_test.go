package main

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// stormSource sends numbered packets of some sizes, two thousand a second or so, whatever
// becomes of the wire. No number is sent twice.
type stormSource struct {
	wire  *wire
	done  sync.WaitGroup
	ended atomic.Bool

	mu        sync.Mutex
	paused    bool
	idle      bool // paused, and nothing is being sent
	disturbed int  // troubles that the wire has: what is sent meanwhile may not come
	sent      uint64
	atRisk    uint64 // of those sent, what was while the wire had trouble
	failure   error
}

var stormPause = labtest.Slowly(400 * time.Microsecond) // between two packets

const numberAt = 14 + 20 + 8 // of an inner frame: its UDP payload

func (w *wire) startSource() *stormSource {
	x := &stormSource{wire: w}
	x.done.Go(x.run)
	return x
}

// stormFrame is the inner frame with a number: one in 64 is a jumbo frame, and every
// other one goes to port 2.
func stormFrame(n uint64) []byte {
	payload := make([]byte, 40)
	if n%64 == 0 {
		payload = make([]byte, 4000)
	}
	binary.BigEndian.PutUint64(payload, n)
	to := numberedTo
	to.Port = uint16(2 + n%2)
	return frames.UDPFrame(numberedFrom, to, payload)
}

func stormNumber(frame []byte) uint64 { return binary.BigEndian.Uint64(frame[numberAt:]) }

func (x *stormSource) run() {
	var sender *lab.Sender
	for n := uint64(0); !x.ended.Load(); n++ {
		time.Sleep(stormPause)
		if x.rests() {
			continue
		}
		var err error
		if sender == nil {
			sender, err = lab.OpenSender(x.wire.near.Namespace, x.wire.near.Name)
		}
		if err == nil {
			err = sender.Send(frames.Wrap(stormFrame(n), 7, numberedFrom.Address, lab.Target))
		}
		x.count(err)
		if err != nil && sender != nil && !errors.Is(err, unix.EMSGSIZE) { // the interface is another by now
			sender.Close()
			sender = nil
		}
	}
	if sender != nil {
		sender.Close()
	}
}

func (x *stormSource) rests() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.idle = x.paused
	return x.paused
}

func (x *stormSource) count(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case err != nil && x.disturbed == 0:
		x.failure = errors.Join(x.failure, err)
	case err == nil && x.disturbed > 0:
		x.atRisk++
		fallthrough
	case err == nil:
		x.sent++
	}
}

// pause returns once nothing is sent any more.
func (x *stormSource) pause(t *testing.T) {
	t.Helper()
	x.set(func() { x.paused = true })
	labtest.Eventually(t, "the source rests", func() (idle bool) {
		x.set(func() { idle = x.idle })
		return idle
	})
}

func (x *stormSource) resume() { x.set(func() { x.paused = false }) }

// disturb says that the wire is about to have trouble, and settle that it has none
// of this kind any more.
func (x *stormSource) disturb() {
	x.set(func() { x.disturbed++ })
	time.Sleep(50 * time.Millisecond) // for what is on its way
}

func (x *stormSource) settle() { x.set(func() { x.disturbed-- }) }

func (x *stormSource) set(change func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change()
}

func (x *stormSource) end() {
	x.ended.Store(true)
	x.done.Wait()
}
