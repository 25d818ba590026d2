package export

import (
	"errors"

	"github.com/xdpeel/xdpeel/mirror"
)

// errTorn is of a pipe or device that took a part of a block.
var errTorn = errors.New("what was torn cannot be mended")

// Resume takes packets again after an error of Write or Flush; without one it does
// nothing. A file goes on behind its last whole block. Where it could not be cut
// back to that, or rotation had closed it, the next one is begun. Only regular
// files can go on, and none after Close.
//
// Its error is a *WriteError, after which packets are counted as lost as before.
func (f *File) Resume() error {
	if f.stopped == "" {
		return nil
	}
	if !f.part.regular {
		return newWriteError("resume", f.part.path, errTorn)
	}
	if f.isOpen && f.torn {
		if err := f.closePart(); err != nil {
			return err
		}
	}
	if !f.isOpen {
		if err := errors.Join(f.displace(), f.begin()); err != nil {
			return err
		}
	}
	f.stopped = ""
	return nil
}

// Discard closes the file as if it had never been opened: one that was not there
// before and holds no packet is removed. Any other is closed as Close does.
func (f *File) Discard() error {
	if !f.isOpen || f.run.begun > 1 || f.run.packets > 0 {
		return f.Close()
	}
	f.stop(mirror.LossWriteError)
	return errors.Join(f.part.discard(), f.closePart())
}
