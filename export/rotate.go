package export

import (
	"errors"
	"io/fs"
	"math"
	"slices"
	"time"

	"github.com/xdpeel/xdpeel/mirror"
)

// run is the row of files that one File writes.
type run struct {
	// Of the newest file.
	path        string
	packets     int   // those that wait included
	delivered   int   // of them, those that are written
	firstPacket int64 // nanoseconds since the Unix epoch
	window      int64 // when the time began that it is for, if it is for one; likewise

	// The name that the newest file would have had if none had existed, and the
	// number that it got. Numbers only go up in a run, also when older files are gone.
	name   string
	suffix int

	begun int    // files
	kept  []part // those of them that were not deleted, oldest first; none where they are given away
}

// note counts a packet of the newest file.
func (r *run) note(p *mirror.Packet) {
	if r.packets == 0 {
		r.firstPacket = p.Time
	}
	r.packets++
}

// Path is the name of the newest file, "-" for standard output.
func (f *File) Path() string { return f.run.path }

// paths are the names of all files that were written and not deleted again,
// oldest first.
func (f *File) paths() []string {
	paths := make([]string, len(f.run.kept))
	for i, file := range f.run.kept {
		paths[i] = file.path
	}
	return paths
}

func (f *File) rotates() bool { return f.options.RotateSize > 0 || f.options.RotateEvery > 0 }

// isRing says that new files displace the oldest.
func (f *File) isRing() bool { return f.options.Files > 0 && f.options.RotateSize > 0 }

// windows says whether each file is for a window of time of its own.
func (f *File) windows() bool { return f.options.Aligned && f.options.RotateEvery > 0 }

// window is the beginning of the one that a time is in. All are in nanoseconds
// since the Unix epoch.
func (f *File) window(at int64) int64 {
	_, zone := time.Unix(0, at).Zone()
	local := at + int64(zone)*1e9
	past := local % f.options.RotateEvery.Nanoseconds()
	if past < 0 {
		past += f.options.RotateEvery.Nanoseconds()
	}
	return at - past
}

// makeReady sees to it that the file that is open is the one that p goes into, as
// far as its time goes.
func (f *File) makeReady(p *mirror.Packet) error {
	switch {
	case !f.isOpen:
		return f.begin(f.nameTime(p))
	case f.run.packets == 0:
		if f.windows() && f.window(p.Time) != f.run.window {
			return errors.Join(f.give(f.part.discard), f.begin(f.nameTime(p)))
		}
		return nil
	case f.retire != nil && f.stamps != nil && f.stamps.isBack(p), f.isPast(p.Time):
		return f.rotate(f.nameTime(p))
	}
	return nil
}

// nameTime is the time by which a file is named whose first packet is p.
func (f *File) nameTime(p *mirror.Packet) time.Time {
	if f.windows() {
		return time.Unix(0, f.window(p.Time))
	}
	return f.now()
}

// isPast says whether the file's time is over for a packet of the given time.
func (f *File) isPast(at int64) bool {
	every := f.options.RotateEvery.Nanoseconds()
	switch {
	case every == 0 || f.run.packets == 0:
		return false
	case f.options.Aligned:
		return f.window(at) != f.run.window
	}
	return at-f.run.firstPacket >= every
}

// overflows says whether a packet, whose blocks are of size bytes, makes the file
// too large. Of a compressed file what is under way counts as if it could not be
// compressed.
func (f *File) overflows(p *mirror.Packet, size int) bool {
	if f.run.packets == 0 {
		return false
	}
	end := f.written + int64(len(f.buffer)+size+f.format.trailer(p))
	if f.packer != nil {
		end += int64(f.packer.waiting()) + packedSlack
	}
	return end > f.options.RotateSize
}

// room is how many bytes may wait for a file of no more interfaces, which is not
// compressed, before it is too large.
func (f *File) room() int {
	if f.options.RotateSize == 0 {
		return math.MaxInt
	}
	return int(f.options.RotateSize-f.written) - f.format.trailer(nil)
}

// rotate ends the current file and begins the next, named by a time. After an
// error no more packets are taken.
//
// It does not wait for the disk: that takes as long as the kernel has bytes of
// the file in memory, and meanwhile the rings would overflow.
func (f *File) rotate(at time.Time) error {
	if err := f.drain("write"); err != nil {
		return err
	}
	if f.options.Files > 0 && !f.isRing() && f.run.begun == f.options.Files {
		// The file stays open until Close, whose statistics count the packets that come too late.
		f.stop(mirror.LossLimitReached)
		return ErrFilesLimit
	}
	if err := errors.Join(f.writeEnd(), f.closePart()); err != nil {
		return err
	}
	if err := f.displace(); err != nil {
		return err
	}
	return f.begin(at)
}

// displace deletes the oldest files to make room for one more. It does so before
// the next one is begun, so that a ring never takes more of the disk than it may.
func (f *File) displace() error {
	for f.isRing() && len(f.run.kept) >= f.options.Files {
		oldest := f.run.kept[0]
		if err := oldest.delete(); err != nil {
			failure := newWriteError("delete", oldest.path, err)
			f.stop(failure.Loss)
			return failure
		}
		f.run.kept = slices.Delete(f.run.kept, 0, 1)
	}
	return nil
}

// begin opens the next file, named by a time, and writes its header. After an
// error no more packets are taken.
func (f *File) begin(at time.Time) error {
	next, err := f.open(at)
	if err != nil {
		failure := newWriteError("open", f.options.Path, err)
		if tried, ok := errors.AsType[*fs.PathError](err); ok {
			failure.Path = tried.Path
		}
		f.stop(failure.Loss)
		return failure
	}
	f.part, f.isOpen, f.torn = next, true, false
	f.written, f.begun = 0, 0
	f.run.path, f.run.packets, f.run.delivered = next.path, 0, 0
	if f.windows() {
		f.run.window = f.window(at.UnixNano())
	}
	if f.stamps != nil {
		f.stamps.begin()
	}
	if f.packer != nil {
		f.packer.begin()
	}
	f.buffer = f.format.begin(f.buffer[:0])
	if err := f.drain("write"); err != nil {
		f.run.name = "" // which is free again
		return errors.Join(err, f.give(next.discard))
	}
	if f.retire == nil {
		f.run.kept = append(f.run.kept, next)
	}
	f.run.begun++
	return nil
}

// give closes the file once something is done to it, and whatever retires files
// does not get it.
func (f *File) give(done func() error) error {
	f.isOpen = false
	return errors.Join(done(), f.part.out.Close())
}

// errNotRotatable is of a pipe, a device and standard output.
var errNotRotatable = errors.New("only a regular file can be rotated")

func (f *File) open(at time.Time) (part, error) {
	if f.options.Path == standardOutput {
		if f.rotates() {
			return part{}, errNotRotatable
		}
		return part{path: standardOutput, out: stream{f.options.Stdout}}, nil
	}
	name, err := ExpandTime(f.options.Path, at)
	if err != nil {
		return part{}, err
	}
	suffix := 0
	if name == f.run.name {
		suffix = f.run.suffix + 1
	}
	next, err := f.create(name, suffix)
	if err != nil {
		return part{}, err
	}
	if f.rotates() && !next.regular {
		return part{}, errors.Join(errNotRotatable, next.out.Close())
	}
	f.run.name, f.run.suffix = name, next.suffix
	return next, nil
}
