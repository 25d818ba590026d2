package export

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/mirror"
)

// retiredPart is a file that takes no more, and what there is to know of it.
type retiredPart struct {
	part
	name    string // without its number
	packets int    // that were delivered to it
}

// fail takes no more packets, since the output took only the first n bytes of
// what was to be written, and cuts the file back to its last whole block.
func (f *File) fail(action string, n int, cause error) error {
	failure := newWriteError(action, f.part.path, cause)
	f.stop(failure.Loss)
	kept, err := 0, error(nil)
	if f.packer == nil {
		kept, err = f.cutBack(n)
	} else {
		err = f.truncate(f.written, n)
	}

	for b := range f.format.blocks(f.buffer) {
		switch {
		case b.kind == blockInterface && b.end <= kept:
			f.begun++
		case b.kind == blockPacket && b.end <= kept:
			f.deliver(1)
		case b.kind == blockPacket:
			f.account.losePacket(f.stopped, b.session)
		}
	}
	f.empty()
	f.written += int64(kept)
	if f.packer != nil {
		for _, lost := range f.packer.abandon() {
			for b := range f.format.blocks(lost.blocks) {
				if b.kind == blockPacket {
					f.account.losePacket(f.stopped, b.session)
				}
			}
		}
	}
	f.format.keepInterfaces(f.begun)
	if err != nil {
		f.torn = true
		return errors.Join(failure, newWriteError("cut back", f.part.path, err))
	}
	return failure
}

// cutBack cuts a file behind a block of the buffer, of which the output took n
// bytes, and returns how many of them are left. If it can, it leaves as much room
// behind it as the file's end takes, so that there is one also on a full disk.
func (f *File) cutBack(n int) (kept int, err error) {
	whole, roomy := 0, 0
	end := f.format.trailer(nil)
	for b := range f.format.blocks(f.buffer) {
		if b.end <= n {
			whole = b.end
		}
		if b.end <= n-end {
			roomy = b.end
		}
	}
	if !f.part.regular {
		f.torn = true
		return whole, nil
	}
	if err := f.truncate(f.written+int64(roomy), n); err != nil {
		return whole, err
	}
	return roomy, nil
}

// truncate cuts a file to a size, if the output took any of what was to be written.
func (f *File) truncate(size int64, taken int) error {
	if taken == 0 {
		return nil
	}
	if !f.part.regular {
		f.torn = true
		return nil
	}
	return f.part.out.Truncate(size)
}

// stop has all later packets counted as lost. The first reason stays.
func (f *File) stop(reason mirror.Loss) {
	if f.stopped == "" {
		f.stopped = reason
	}
}

// Close writes what waits and the statistics blocks, brings a regular file to
// the disk and closes it. After a failed write it still tries to end the file
// with statistics that tell its losses, and cuts them off where they do not fit.
// Its errors are *WriteError.
func (f *File) Close() error {
	if !f.isOpen {
		f.stop(mirror.LossWriteError)
		return nil
	}
	err := errors.Join(f.drain("write"), f.writeEnd())
	f.stop(mirror.LossWriteError)
	if f.part.regular && f.retire == nil {
		if failed := f.part.out.Sync(); failed != nil {
			err = errors.Join(err, newWriteError("sync", f.part.path, failed))
		}
	}
	return errors.Join(err, f.closePart())
}

// end completes the file that is open, if one is.
func (f *File) end() error {
	if !f.isOpen {
		return nil
	}
	return errors.Join(f.drain("write"), f.writeEnd(), f.closePart())
}

// giveUp counts what is in a file as lost that was removed.
func (f *File) giveUp() error {
	err := f.drain("write")
	f.account.takeBack(mirror.LossFileRemoved, f.run.delivered)
	f.part.sheet.Lose(mirror.LossFileRemoved)
	removed := newWriteError("write", f.part.place(), fs.ErrNotExist)
	removed.Loss = mirror.LossFileRemoved
	f.run.packets, f.run.delivered = 0, 0
	return errors.Join(removed, err, f.give(func() error { return nil }))
}

// writeEnd ends a pcapng section with a statistics block for each interface.
func (f *File) writeEnd() error {
	if f.torn {
		return nil
	}
	f.buffer = f.format.end(f.buffer, func(session mirror.Session) Statistics {
		counts := f.options.Statistics(session)
		counts.Dropped += f.account.lostOf(session)
		return counts
	})
	err := f.drain("write statistics of")
	if f.packer == nil {
		return err
	}
	return errors.Join(err, f.endPacked())
}

// endPacked ends a compressed file, also where its statistics did not fit, and gives
// back the room that it had reserved.
func (f *File) endPacked() error {
	end := f.packer.end()
	if n, err := f.writeOut(end); err != nil {
		err = f.fail("end", n, err)
		f.torn = true
		return err
	}
	f.written += int64(len(end))
	if !f.part.regular {
		return nil
	}
	if err := f.part.out.Truncate(f.written); err != nil {
		return newWriteError("cut back", f.part.path, err)
	}
	return nil
}

// reserve makes sure of room for n bytes and for what ends a compressed file behind
// them: without its end it could not be read. A file system that cannot do so is not
// asked for more than that.
func (f *File) reserve(n int) error {
	file, ok := f.part.out.(*os.File)
	if !ok || !f.part.regular {
		return nil
	}
	size := int64(n + f.format.trailer(nil) + packedSlack)
	err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, f.written, size)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return err
	}
	return nil
}

// closePart gives the file away, or closes it. One that is torn keeps its hidden
// name: it is mended once xdpeel starts again.
func (f *File) closePart() error {
	f.isOpen = false
	retired := retiredPart{part: f.part, name: f.run.name, packets: f.run.delivered}
	f.run.packets, f.run.delivered = 0, 0
	if f.retire != nil && !f.torn {
		f.retire(retired)
		return nil
	}
	if err := f.part.out.Close(); err != nil {
		f.stop(lossOf(err))
		return newWriteError("close", f.part.path, err)
	}
	return nil
}
