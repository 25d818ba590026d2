package lab

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Receiver takes the frames that arrive on an interface, as a capture program
// would see them. It is not for concurrent use.
type Receiver struct {
	file    *os.File
	conn    syscall.RawConn
	buffer  []byte
	control []byte
}

// receiveBuffer is in bytes of kernel memory before the kernel doubles it: a burst
// of 100,000 small frames, or of 5,000 jumbo ones, waits to be read.
const receiveBuffer = 64 << 20

// OpenReceiver opens a receiver on an interface in ns. It sees all frames that
// arrive from then on, and none that the host itself sends.
func OpenReceiver(ns *Namespace, ifname string) (*Receiver, error) {
	file, err := openPacketSocket(ns, ifname, unix.ETH_P_ALL, func(fd int) error {
		for _, option := range []struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer},
			{unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
			{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		} {
			if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open receiver on %q: %w", ifname, err)
	}
	control := make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(unix.TpacketAuxdata{}))))
	return &Receiver{file, conn, make([]byte, 1<<16), control}, nil
}

// Receive returns the next frame, whole, its VLAN tags where they were on the
// wire. At deadline it returns os.ErrDeadlineExceeded; the zero time is none.
func (r *Receiver) Receive(deadline time.Time) ([]byte, error) {
	if err := r.file.SetReadDeadline(deadline); err != nil {
		return nil, fmt.Errorf("receive frame: %w", err)
	}
	var length, controlLength, flags int
	var receiveErr error
	err := r.conn.Read(func(fd uintptr) bool {
		length, controlLength, flags, _, receiveErr = unix.Recvmsg(int(fd), r.buffer, r.control, 0)
		return receiveErr != unix.EAGAIN
	})
	if err == nil {
		err = receiveErr
	}
	if err != nil {
		return nil, fmt.Errorf("receive frame: %w", err)
	}
	if flags&unix.MSG_TRUNC != 0 {
		return nil, fmt.Errorf("receive frame: more than %d bytes", len(r.buffer))
	}
	return retag(r.buffer[:length], r.control[:controlLength])
}

// Lost returns how many frames found the receive buffer full since the last call.
func (r *Receiver) Lost() (uint32, error) {
	var stats *unix.TpacketStats
	var statsErr error
	err := r.conn.Control(func(fd uintptr) {
		stats, statsErr = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	if err == nil {
		err = statsErr
	}
	if err != nil {
		return 0, fmt.Errorf("read packet statistics: %w", err)
	}
	return stats.Drops, nil
}

// Close closes the receiver; a Receive that waits returns.
func (r *Receiver) Close() error { return r.file.Close() }

// retag returns a copy of frame with the VLAN tag that the kernel moved from the
// frame into the control message (struct tpacket_auxdata, linux/if_packet.h).
func retag(frame, control []byte) ([]byte, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("parse control messages: %w", err)
	}
	frame = slices.Clone(frame)
	for _, message := range messages {
		if message.Header.Level != unix.SOL_PACKET || message.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		auxiliary := (*unix.TpacketAuxdata)(unsafe.Pointer(unsafe.SliceData(message.Data)))
		if auxiliary.Status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tag := binary.BigEndian.AppendUint16(nil, auxiliary.Vlan_tpid)
		tag = binary.BigEndian.AppendUint16(tag, auxiliary.Vlan_tci)
		frame = slices.Insert(frame, 12, tag...)
	}
	return frame, nil
}
