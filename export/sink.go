// Package export is what leaves xdpeel: batches of packets into files and pipes
// as pcapng, onto a terminal as lines, and the ledger as metrics.
//
// Each output keeps its own account of the packets that it was offered. A file
// on a full disk is cut back to its last whole block, so that what is left of
// it can always be read, and every packet that is not in it is counted.
package export

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/xdpeel/xdpeel/mirror"
)

// standardOutput is the path that means it.
const standardOutput = "-"

// Sink takes packets out of the program. Its methods belong to one goroutine,
// but for Account, which any may call at any time.
type Sink interface {
	// Write takes the packets of b and keeps nothing of it. Once it has returned
	// an error the sink takes no more, unless it can be resumed: later packets are
	// counted as lost.
	Write(b *mirror.Batch) error
	// Flush hands on what Write has put aside.
	Flush() error
	// Close flushes and ends the output. A second call does nothing.
	Close() error
	// Account says what became of the packets so far. Those that wait for Flush
	// are in Offered only; when none wait, Offered is Delivered and the sum of Lost.
	Account() mirror.OutputAccount
}

// WriteError says that an output took no more, and why. It wraps the errno:
// errors.Is(err, syscall.EPIPE) tells a reader that went away.
type WriteError struct {
	Action string      // what failed, such as "write" or "open"
	Path   string      // "-" for standard output
	Loss   mirror.Loss // how the packets that it cost are counted
	Err    error
}

func (e *WriteError) Error() string {
	if e.Path == standardOutput {
		return fmt.Sprintf("%s standard output: %v", e.Action, e.Err)
	}
	return fmt.Sprintf("%s %q: %v", e.Action, e.Path, e.Err)
}

func (e *WriteError) Unwrap() error { return e.Err }

// newWriteError leaves out what an fs.PathError says, since it would be said twice.
func newWriteError(action, path string, err error) *WriteError {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return &WriteError{Action: action, Path: path, Loss: lossOf(err), Err: err}
}

func lossOf(err error) mirror.Loss {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return mirror.LossDiskFull
	case errors.Is(err, syscall.EIO):
		return mirror.LossIOError
	case errors.Is(err, syscall.EROFS):
		return mirror.LossReadOnly
	case errors.Is(err, fs.ErrNotExist):
		return mirror.LossNoDirectory
	}
	return mirror.LossWriteError
}
