package upload

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// object is a file on its way.
type object struct {
	*os.File
	key  string
	size int64
	sums sums
}

// errBusy is of a file that another queue uploads.
var errBusy = errors.New("another process uploads it")

// lock makes sure that no other queue uploads the file. Its error is errBusy.
func (o *object) lock() error {
	err := unix.Flock(int(o.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errBusy
	}
	return nil // or a file system without locks
}

// remove removes the file unless another has its name now.
func (o *object) remove() error {
	opened, err := o.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(o.Name())
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(opened, named) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(o.Name())
}
