package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Sender puts frames on an interface as they are. It is not for concurrent use.
type Sender struct{ file *os.File }

// sendBuffer bounds the frames on their way, in bytes of kernel memory before the
// kernel doubles it. A veth drops a frame if the 256 places of the far end's ring
// (drivers/net/veth.c) are taken, and older kernels tell nobody. A frame is charged
// with 800 bytes or more, until the far end has taken it: this is so little that
// one sender never fills the ring.
const sendBuffer = 64 << 10

// sendPatience is how long Send waits for frames before it to be taken.
const sendPatience = 10 * time.Second

// OpenSender opens a sender on an interface in ns.
func OpenSender(ns *Namespace, ifname string) (*Sender, error) {
	file, err := openPacketSocket(ns, ifname, 0, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	})
	if err != nil {
		return nil, err
	}
	return &Sender{file}, nil
}

// Send sends one frame, from its Ethernet header to the end of its payload, and
// waits while too many are on their way. A frame that is longer than the MTU
// allows (14 bytes of header and 4 of a VLAN tag are not counted) is EMSGSIZE;
// os.ErrDeadlineExceeded and ENOBUFS say that for ten seconds nothing was taken.
func (s *Sender) Send(frame []byte) error {
	deadline := time.Now().Add(sendPatience)
	if err := s.file.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	for {
		_, err := s.file.Write(frame)
		if err == nil {
			return nil
		}
		// A full queue or ring refuses the frame.
		if !errors.Is(err, unix.ENOBUFS) || time.Now().After(deadline) {
			return fmt.Errorf("send frame of %d bytes: %w", len(frame), err)
		}
		time.Sleep(time.Millisecond)
	}
}

// Replay sends mirrored packets at the pace at which they were, until all are sent or
// ctx is done.
func (s *Sender) Replay(ctx context.Context, events []Event) error {
	start := time.Now()
	for _, event := range events {
		select {
		case <-time.After(time.Until(start.Add(event.At))):
		case <-ctx.Done():
			return nil
		}
		if err := s.Send(event.Frame); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the sender.
func (s *Sender) Close() error { return s.file.Close() }
