package export

import (
	"errors"

	"github.com/xdpeel/xdpeel/mirror"
)

// errTorn is of a pipe or device that took a part of a block.
var errTorn = errors.New("what was torn cannot be mended")

// Resume takes packets again after an error of Write or Flush; without one it does
// nothing. The file that failed is ended behind its last whole block, and the next
// one is begun. Only regular files can go on, and none after Close.
//
// Its error is a *WriteError, after which packets are counted as lost as before.
func (f *File) Resume() error {
	if f.stopped == "" {
		return nil
	}
	if f.isOpen && !f.part.regular {
		return newWriteError("resume", f.part.path, errTorn)
	}
	f.quit()
	reason := f.stopped
	f.stopped = ""
	if err := errors.Join(f.displace(), f.begin(f.now())); err != nil {
		f.stop(reason)
		return err
	}
	return nil
}

// quit ends a file that failed, as well as it can.
func (f *File) quit() {
	if f.isOpen {
		_ = errors.Join(f.writeEnd(), f.closePart()) // what failed was told
	}
}

// Discard closes the file as if it had never been opened: one that was not there
// before and holds no packet is removed. Any other is closed as Close does.
func (f *File) Discard() error {
	if !f.isOpen || f.run.begun > 1 || f.run.packets > 0 {
		return f.Close()
	}
	f.stop(mirror.LossWriteError)
	return f.give(f.part.discard)
}
