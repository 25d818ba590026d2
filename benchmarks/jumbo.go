package main

import (
	"context"
	"time"

	"github.com/xdpeel/xdpeel/lab"
)

// jumboMTU is that of an interface on AWS and some for the wrapping: the mirror
// cuts a packet that would be too long.
const jumboMTU = 9100

// pageFrame is the longest outer frame that the generator can send: a page less
// the kernel's headroom and tailroom.
const pageFrame = 4096 - 256 - 320

// isJumbo says whether a frame is too long for the generator.
func (w Workload) isJumbo() bool {
	for _, size := range w.Sizes {
		if innerStart+size > pageFrame {
			return true
		}
	}
	return false
}

// jumboSender sends what does not fit into a page, through a packet socket: one
// system call a frame, and so far slower than the generator.
type jumboSender struct {
	sender *lab.Sender
	frames *Frames
	next   uint64
}

func newJumboSender(lane *Lane, frames *Frames) (*jumboSender, error) {
	sender, err := lab.OpenSender(lane.pair.A.Namespace, lane.pair.A.Name)
	if err != nil {
		return nil, err
	}
	return &jumboSender{sender: sender, frames: frames}, nil
}

// jumboBurst is how many frames leave together.
const jumboBurst = 16

// Send sends the next packets; see Feeder.
func (j *jumboSender) Send(ctx context.Context, packets uint64, rate float64) (Sent, error) {
	began := time.Now()
	for n := range packets {
		if rate > 0 && n%jumboBurst == 0 {
			if ctx.Err() != nil {
				return Sent{}, context.Cause(ctx)
			}
			time.Sleep(time.Until(began.Add(time.Duration(float64(n) / rate * 1e9))))
		}
		if err := j.sender.Send(j.frames.Outer(j.next)); err != nil {
			return Sent{}, err
		}
		j.next++
	}
	return Sent{Packets: packets, Took: time.Since(began)}, nil
}

// Close closes the socket.
func (j *jumboSender) Close() error { return j.sender.Close() }
