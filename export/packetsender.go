package export

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

const (
	// sendRun is how many frames are handed to the kernel at once.
	sendRun = abi.LimitFlight
	// sendPatience is how long a sender waits in all, for one batch, for an interface
	// whose queue is full. That is what takes up a burst; a queue that is full for
	// longer is too slow, and what it does not take is lost.
	sendPatience = 10 * time.Millisecond
	sendPause    = 100 * time.Microsecond
)

// PacketSender is a Sink that sends packets out of a network interface as they
// are, past its queueing discipline. Every frame that the interface does not take
// is counted: the kernel says so frame by frame, which it does not of a ring
// (PACKET_TX_RING), where a frame that the driver refuses is one that was sent.
//
// What a driver throws away after it took it, no sender can know: that is in the
// interface's own statistics.
type PacketSender struct {
	name    string
	fd      int
	index   int // of the interface that the socket is bound to
	account account
	broken  bool  // the interface is not there, or down: Write loses all until Resume
	untold  error // why it was broken from the beginning, until Flush has said so

	vectors  [sendRun]unix.Iovec
	messages *[sendRun]message
	flight   *books.Flight // has the messages, and counts; nil: nothing does
}

// message is struct mmsghdr (sendmmsg(2)) of 64-bit machines.
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// NewPacketSender returns a sender on an interface of the network namespace of a packet
// socket, which does not block and is the sender's from now on. An interface that is
// not there or down is no error: the next Flush tells of it, and packets are lost until
// Resume finds it up. book keeps the account; nil: it ends with the process.
func NewPacketSender(iface string, fd int, book *books.Book) (*PacketSender, error) {
	s := &PacketSender{name: iface, fd: fd, account: account{book: book}, flight: book.NewFlight()}
	if s.flight == nil {
		s.messages = new([sendRun]message)
	} else {
		s.messages = (*[sendRun]message)(unsafe.Pointer(s.flight.Messages()))
		clear(s.messages[:])
	}
	for i := range s.messages {
		s.messages[i].header.Iov = &s.vectors[i]
		s.messages[i].header.SetIovlen(1)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return nil, errors.Join(fmt.Errorf("bypass the queueing discipline: %w", err), s.Close())
	}
	switch err := s.bind(); {
	case isAway(err):
		s.broken, s.untold = true, err
	case err != nil:
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// bind binds the socket to the interface that has the name now.
func (s *PacketSender) bind() error {
	index, err := s.find()
	if err != nil {
		return err
	}
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
		return fmt.Errorf("bind to interface %q: %w", s.name, err)
	}
	s.index, s.broken = index, false
	return nil
}

// errDown says that an interface sends nothing.
var errDown = errors.New("it is down, or has no carrier")

// isAway says of an error that it is of an interface that may come, or come up.
func isAway(err error) bool {
	return errors.Is(err, errDown) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENETDOWN)
}

// find returns the index of the interface, which must be there, up and have carrier.
// It asks in the socket's network namespace, whatever the calling thread's is.
func (s *PacketSender) find() (index int, err error) {
	request, err := unix.NewIfreq(s.name)
	if err != nil {
		return 0, fmt.Errorf("find interface %q: %w", s.name, err)
	}
	if err := unix.IoctlIfreq(s.fd, unix.SIOCGIFINDEX, request); err != nil {
		return 0, fmt.Errorf("find interface %q: %w", s.name, err)
	}
	index = int(request.Uint32())
	if err := unix.IoctlIfreq(s.fd, unix.SIOCGIFFLAGS, request); err != nil {
		return 0, fmt.Errorf("ask interface %q for its state: %w", s.name, err)
	}
	if flags := request.Uint16(); flags&unix.IFF_UP == 0 || flags&unix.IFF_RUNNING == 0 {
		return 0, fmt.Errorf("send to interface %q: %w", s.name, errDown)
	}
	return index, nil
}

// Flush says whether the interface can be sent to, since Write keeps nothing back:
// an error tells why not, and also that another interface has its name now.
func (s *PacketSender) Flush() error {
	if s.broken {
		err := s.untold
		s.untold = nil
		return err
	}
	index, err := s.find()
	if err == nil && index != s.index {
		err = fmt.Errorf("send to interface %q: it is another one now", s.name)
	}
	return err
}

// Resume binds the sender to the interface of its name.
func (s *PacketSender) Resume() error { return s.bind() }

// Write sends the packets of b. Frames that the interface does not take are lost
// one by one; an error means that it takes none any more. It waits for a full
// queue, but for no longer than sendPatience in all.
func (s *PacketSender) Write(b *mirror.Batch) error {
	s.account.offer(len(b.Packets))
	if s.broken {
		s.account.lose(mirror.LossInterfaceDown, len(b.Packets))
		return nil
	}
	patience := sendPatience
	rebound := false
	for packets := b.Packets; len(packets) > 0; {
		sent, errno := s.send(packets[:min(len(packets), sendRun)])
		s.deliver(sent)
		packets = packets[sent:]
		if errno == 0 {
			continue
		}
		reason := s.reason(errno)
		switch {
		case reason == mirror.LossInterfaceDown && !rebound && s.bind() == nil:
			rebound = true // it had gone away and is back
		case reason == mirror.LossInterfaceDown:
			s.broken = true
			s.account.lose(reason, len(packets))
			_, err := s.find()
			return cmp.Or(err, fmt.Errorf("send to interface %q: %w", s.name, errno))
		case reason == mirror.LossTxFull && patience > 0:
			patience -= sendPause
			time.Sleep(sendPause)
		default:
			s.account.lose(reason, 1)
			packets = packets[1:]
		}
	}
	return nil
}

// reason says why the kernel did not take a frame.
func (s *PacketSender) reason(errno unix.Errno) mirror.Loss {
	switch errno {
	case unix.EMSGSIZE:
		return mirror.LossTooLong
	case unix.ENETDOWN, unix.ENXIO, unix.ENODEV:
		return mirror.LossInterfaceDown
	case unix.ENOBUFS, unix.EAGAIN:
		// The kernel says the same of an interface without carrier.
		if _, err := s.find(); err != nil {
			return mirror.LossInterfaceDown
		}
		return mirror.LossTxFull
	}
	return mirror.LossWriteError
}

// send hands frames to the kernel, at most sendRun. It returns how many were
// taken, and why the next one was not.
func (s *PacketSender) send(packets []mirror.Packet) (sent int, errno unix.Errno) {
	for i := range packets {
		s.vectors[i].Base = unsafe.SliceData(packets[i].Data)
		s.vectors[i].SetLen(len(packets[i].Data))
	}
	s.flight.Begin(len(packets))
	for sent < len(packets) {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.messages[sent])), uintptr(len(packets)-sent), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return sent, errno
		}
		sent += int(n)
	}
	runtime.KeepAlive(packets)
	return sent, 0
}

// deliver counts frames that send has returned.
func (s *PacketSender) deliver(sent int) {
	s.account.deliverTo(s.flight.Sheet(), sent)
	s.flight.End()
}

// Account says what became of the packets; see Sink.
func (s *PacketSender) Account() mirror.OutputAccount { return s.account.snapshot() }

// Close closes the socket.
func (s *PacketSender) Close() error {
	if s.fd < 0 {
		return nil
	}
	s.flight.Close()
	err := unix.Close(s.fd)
	s.fd, s.broken = -1, true
	if err != nil {
		return fmt.Errorf("close packet socket: %w", err)
	}
	return nil
}

// Discard is Close: an interface keeps nothing of a sender that sent nothing.
func (s *PacketSender) Discard() error { return s.Close() }
