package export

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/xdpeel/xdpeel/mirror"
)

// run is the row of files that one File writes.
type run struct {
	// Of the newest file.
	path        string
	packets     uint64 // those in the buffer included
	firstPacket int64  // nanoseconds since the Unix epoch

	// The name that the newest file would have had if none had existed, and the
	// number that it got. Numbers only go up in a run, also when older files are gone.
	name   string
	suffix int

	begun int    // files
	kept  []part // those of them that were not deleted, oldest first
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

// Paths are the names of all files that were written and not deleted again,
// oldest first.
func (f *File) Paths() []string {
	paths := make([]string, len(f.run.kept))
	for i, file := range f.run.kept {
		paths[i] = file.path
	}
	return paths
}

func (f *File) rotates() bool { return f.options.RotateSize > 0 || f.options.RotateEvery > 0 }

// isRing says that new files displace the oldest.
func (f *File) isRing() bool { return f.options.Files > 0 && f.options.RotateSize > 0 }

// mustRotate says whether a packet, whose blocks are of size bytes, has to go
// into a new file.
func (f *File) mustRotate(p *mirror.Packet, size int, knownSession bool) bool {
	if f.run.packets == 0 {
		return false
	}
	every := f.options.RotateEvery.Nanoseconds()
	if every > 0 && p.Time-f.run.firstPacket >= every {
		return true
	}
	if f.options.RotateSize == 0 {
		return false
	}
	sessions := len(f.section.interfaces)
	if !knownSession {
		sessions++
	}
	end := f.written + int64(len(f.buffer)+size+sessions*statisticsBlockSize)
	return end > f.options.RotateSize
}

// rotate ends the current file and begins the next. After an error no more
// packets are taken.
//
// It does not wait for the disk: that takes as long as the kernel has bytes of
// the file in memory, and meanwhile the rings would overflow.
func (f *File) rotate() error {
	if err := f.Flush(); err != nil {
		return err
	}
	if f.options.Files > 0 && !f.isRing() && f.run.begun == f.options.Files {
		// The file stays open until Close, whose statistics count the packets that come too late.
		f.stop(mirror.LossLimitReached)
		return ErrFilesLimit
	}
	if err := errors.Join(f.writeStatistics(), f.closePart()); err != nil {
		return err
	}
	if err := f.displace(); err != nil {
		return err
	}
	return f.begin()
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

// begin opens the next file and writes its header. After an error no more
// packets are taken.
func (f *File) begin() error {
	next, err := f.open()
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
	f.buffer = f.section.begin(f.buffer[:0])
	if err := f.push("write"); err != nil {
		return errors.Join(err, next.discard(), f.closePart())
	}
	f.run.path, f.run.packets = next.path, 0
	f.run.kept = append(f.run.kept, next)
	f.run.begun++
	return nil
}

// errNotRotatable is of a pipe, a device and standard output.
var errNotRotatable = errors.New("only a regular file can be rotated")

func (f *File) open() (part, error) {
	if f.options.Path == standardOutput {
		if f.rotates() {
			return part{}, errNotRotatable
		}
		return part{path: standardOutput, out: stream{f.options.Stdout}}, nil
	}
	name, err := expandTime(f.options.Path, f.now())
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
