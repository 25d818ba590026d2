package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/config"
)

// door is a listening unix socket and the name that it has or is to get.
type door struct {
	path     string
	listener *net.UnixListener
	renamed  bool
	info     os.FileInfo // tells whether path still names it
}

// openDoor listens beside path, with the permissions that the socket is to have: it
// is not to be reached before it has them, nor before rename.
func openDoor(path string, c config.Socket) (*door, error) {
	if err := checkFree(path); err != nil {
		return nil, err
	}
	d := &door{path: path}
	if err := os.Remove(d.hidden()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var err error
	if d.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: d.hidden(), Net: "unix"}); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	d.listener.SetUnlinkOnClose(false)
	if err := d.permit(c); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// hidden is the name until another socket need not have the path any more.
func (d *door) hidden() string { return d.path + ".new" }

// checkFree refuses a path that somebody else listens on, or that is no socket. What
// a daemon that was killed left behind, or this process has, may be replaced.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is there and no socket", path)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if peer, err := peerOf(conn); err != nil || int(peer.Pid) != os.Getpid() {
		return fmt.Errorf("another process listens on %s", path)
	}
	return nil
}

// permit sets owner and permissions.
func (d *door) permit(c config.Socket) error {
	mode := c.Mode
	if mode == 0 {
		mode = 0o600
		if c.Group != "" {
			mode = 0o660
		}
	}
	if c.Group != "" {
		id, err := groupID(c.Group)
		if err != nil {
			return err
		}
		if err := os.Chown(d.hidden(), -1, id); err != nil {
			return err
		}
	}
	return os.Chmod(d.hidden(), mode)
}

// rename gives the socket its name. Who had that before keeps its readers.
func (d *door) rename() (err error) {
	if d.info, err = os.Lstat(d.hidden()); err != nil {
		return err
	}
	if err := os.Rename(d.hidden(), d.path); err != nil {
		return err
	}
	d.renamed = true
	return nil
}

// close closes the socket, and takes its name away if it is still its own.
func (d *door) close() error {
	err := d.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if !d.renamed {
		return errors.Join(err, os.Remove(d.hidden()))
	}
	if info, statErr := os.Lstat(d.path); statErr == nil && os.SameFile(info, d.info) {
		err = errors.Join(err, os.Remove(d.path))
	}
	return err
}

// peerOf says who is at the other end.
func peerOf(conn *net.UnixConn) (peer *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return peer, errors.Join(err, controlErr)
}

// letIn gives each connection to serve, which does not wait for its end, until the
// listener is closed. An error before that, such as too many open files, is complained of
// and need not be the end.
func letIn(listener *net.UnixListener, serve func(*net.UnixConn), complain func(error)) {
	for {
		conn, err := listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			complain(err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		serve(conn)
	}
}
