package lab

import "golang.org/x/sys/unix"

// SetFeatures is what tests outside of the package have interfaces prepared with.
var SetFeatures = setFeatures

// SetBuffer has the receiver hold so many bytes of frames that wait.
func (r *Receiver) SetBuffer(size int) error {
	var setErr error
	err := r.conn.Control(func(fd uintptr) {
		setErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	})
	if err == nil {
		err = setErr
	}
	return err
}
