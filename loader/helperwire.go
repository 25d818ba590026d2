package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// errEnded says that nobody is at the other end.
var errEnded = io.EOF

// send sends a message and descriptors.
func send(conn *net.UnixConn, message any, descriptors []int) error {
	data, err := binary.Append(nil, binary.NativeEndian, message)
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	_, _, err = conn.WriteMsgUnix(data, rights, nil)
	return err
}

func reply(conn *net.UnixConn, a *answer, descriptors []int) error { return send(conn, a, descriptors) }

// receive reads a message, a pointer, and the descriptors that come with it. It returns
// an error that wraps errEnded if there comes none any more, or errProtocol.
func receive(conn *net.UnixConn, message any) (descriptors []int, err error) {
	size := binary.Size(message)
	data, control := make([]byte, size+1), make([]byte, unix.CmsgSpace(4*descriptorMax))
	n, nControl, flags, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		return nil, err
	}
	if messages, err := unix.ParseSocketControlMessage(control[:nControl]); err == nil {
		for i := range messages {
			some, _ := unix.ParseUnixRights(&messages[i])
			descriptors = append(descriptors, some...)
		}
	}
	switch {
	case n == 0:
		err = errEnded
	case n != size || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		err = fmt.Errorf("%w: %d bytes, want %d", errProtocol, n, size)
	default:
		_, err = binary.Decode(data[:n], binary.NativeEndian, message)
	}
	if err != nil {
		return nil, errors.Join(err, closeAll(descriptors))
	}
	return descriptors, nil
}

// descriptorMax is how many descriptors come with one message; the equipment's are most.
const descriptorMax = 64

func closeAll(descriptors []int) error {
	var errs []error
	for _, fd := range descriptors {
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}
