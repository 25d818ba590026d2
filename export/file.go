package export

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/xdpeel/xdpeel/mirror"
)

// ErrFilesLimit is what File.Write returns when the last of the files that were
// asked for is complete.
var ErrFilesLimit = errors.New("all files are written")

// bufferSize is what File puts aside before it writes, in bytes. A packet of
// more than that still goes out whole.
const bufferSize = 256 << 10

// Statistics are the counts of one session for its interface statistics block.
type Statistics struct {
	Received uint64 // packets that arrived of it since the capture began
	Dropped  uint64 // packets that were lost before they came to the file, which adds its own losses
}

// FileOptions say where a File writes and what it says of the capture.
type FileOptions struct {
	// Path of the file. Its strftime conversions (%Y %m %d %H %M %S %s %y %j %b
	// %a %F %T %Z %z %%) are expanded with the local time when a file is begun.
	// "-" is Stdout.
	Path string
	// Stdout is never closed, nor cut back. If it is os.Stdout, a reader that goes
	// away ends the program unless it has asked for SIGPIPE; see package os/signal.
	Stdout io.Writer

	Application string                      // "xdpeel 1.2.3"
	SnapLength  uint32                      // bytes of a packet that Data holds at most, 0 for no limit
	Name        func(mirror.Session) string // configured name of a session, "" without; nil: none has one
	// Statistics is asked when a file ends, by the goroutine that writes, for
	// each session that occurs in it. Required.
	Statistics func(mirror.Session) Statistics

	// RotateSize is the most bytes of a file, statistics included; 0 for no limit.
	// A file holds at least one packet, however large.
	RotateSize int64
	// RotateEvery is how long a file goes on, in time of its packets since its
	// first; 0 for ever.
	RotateEvery time.Duration
	// Files limits the number of files; 0 for no limit. With RotateSize the
	// oldest is deleted for a new one; with RotateEvery alone the capture ends.
	Files int
}

// File is a Sink that writes pcapng to a file or a run of files, a pipe, a
// device or standard output. It never overwrites: see createPart.
type File struct {
	options FileOptions
	create  func(path string, suffix int) (part, error) // tests put a failing disk here
	now     func() time.Time

	section section
	buffer  []byte // whole blocks that wait to be written
	waiting int    // packets in buffer
	account account
	lost    map[mirror.Session]uint64 // own losses over all files, for the statistics blocks
	stopped mirror.Loss               // why no more packets are taken; "" while they are

	part    part // the file that is being written
	isOpen  bool
	torn    bool  // part ends within a block that cannot be taken back: nothing may follow
	written int64 // bytes of part, all of them whole blocks
	begun   int   // interface blocks among them

	run run
}

// NewFile opens the first file and writes its header at once, since the reader
// of a pipe waits for it. Opening a named pipe waits for a reader.
//
// Its error is a *WriteError: a path with an unknown conversion, an output that
// cannot be opened or takes no header, rotation of what is not a regular file.
func NewFile(o FileOptions) (*File, error) {
	return newFile(o, createPart, time.Now)
}

func newFile(o FileOptions, create func(string, int) (part, error), now func() time.Time) (*File, error) {
	if o.Statistics == nil {
		return nil, errors.New("open file: no function for statistics")
	}
	f := &File{
		options: o, create: create, now: now,
		section: section{application: o.Application, os: hostOS(), snapLength: o.SnapLength, name: o.Name},
		buffer:  make([]byte, 0, bufferSize),
		lost:    make(map[mirror.Session]uint64),
	}
	if err := f.begin(); err != nil {
		return nil, err
	}
	return f, nil
}

// Account says what became of the packets; see Sink.
func (f *File) Account() mirror.OutputAccount { return f.account.snapshot() }

// Write adds the packets of b to the file. Its errors are a *WriteError, after
// which it returns nil and counts what it is given as lost for the same reason,
// and ErrFilesLimit, which it then returns always.
func (f *File) Write(b *mirror.Batch) error {
	f.account.offer(len(b.Packets))
	var err error
	packets := b.Packets
	for len(packets) > 0 && f.stopped == "" {
		if err = f.add(&packets[0]); err == nil {
			packets = packets[1:]
		}
	}
	f.lose(packets)
	if f.stopped == mirror.LossLimitReached {
		return ErrFilesLimit
	}
	return err
}

// add puts the blocks of one packet into the buffer. After an error it has not,
// and the file takes no more.
func (f *File) add(p *mirror.Packet) error {
	number, known := f.section.number(p.Session)
	var description []byte
	if !known {
		description = f.section.appendInterface(nil, p.Session)
	}
	size := len(description) + packetSize(p)
	if f.mustRotate(p, size, known) {
		if err := f.rotate(); err != nil {
			return err
		}
		return f.add(p)
	}
	if len(f.buffer)+size > bufferSize {
		if err := f.Flush(); err != nil {
			return err
		}
	}
	if !known {
		number = f.section.addInterface(p.Session, p.Time)
		f.buffer = append(f.buffer, description...)
	}
	f.buffer = f.section.appendPacket(f.buffer, p, number)
	f.waiting++
	f.run.note(p)
	return nil
}

// lose counts packets that are not in the buffer as lost.
func (f *File) lose(packets []mirror.Packet) {
	f.account.lose(f.stopped, len(packets))
	for i := range packets {
		f.lost[packets[i].Session]++
	}
}

// Flush writes the packets that wait. Its error is a *WriteError.
func (f *File) Flush() error {
	return f.push("write")
}

// push writes the buffer and settles the account of the packets in it.
func (f *File) push(action string) error {
	if len(f.buffer) == 0 {
		return nil
	}
	n, err := f.part.out.Write(f.buffer)
	if err == nil && n < len(f.buffer) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return f.fail(action, n, err)
	}
	f.account.deliver(f.waiting)
	f.written += int64(n)
	f.begun = len(f.section.interfaces)
	f.buffer, f.waiting = f.buffer[:0], 0
	return nil
}

// fail takes no more packets, since the output took only the first n bytes of
// the buffer, and cuts the file back to its last whole block.
func (f *File) fail(action string, n int, cause error) error {
	failure := newWriteError(action, f.part.path, cause)
	f.stop(failure.Loss)

	whole := 0
	for b := range blocks(f.buffer) {
		taken := b.end <= n
		switch {
		case taken && b.kind == blockInterface:
			f.begun++
		case taken && b.kind == blockPacket:
			f.account.deliver(1)
		case b.kind == blockPacket:
			f.account.lose(f.stopped, 1)
			f.lost[f.section.interfaces[b.interfaceNumber].session]++
		}
		if taken {
			whole = b.end
		}
	}
	f.section.keepInterfaces(f.begun)
	f.written += int64(whole)
	f.buffer, f.waiting = f.buffer[:0], 0

	if !f.part.regular {
		f.torn = true
	} else if err := f.part.out.Truncate(f.written); err != nil {
		f.torn = true
		return errors.Join(failure, newWriteError("cut back", f.part.path, err))
	}
	return failure
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
		return nil
	}
	err := errors.Join(f.Flush(), f.writeStatistics())
	f.stop(mirror.LossWriteError)
	if f.part.regular {
		if failed := f.part.out.Sync(); failed != nil {
			err = errors.Join(err, newWriteError("sync", f.part.path, failed))
		}
	}
	return errors.Join(err, f.closePart())
}

// writeStatistics ends the section with a statistics block for each interface.
func (f *File) writeStatistics() error {
	if f.torn {
		return nil
	}
	for number, known := range f.section.interfaces {
		counts := f.options.Statistics(known.session)
		counts.Dropped += f.lost[known.session]
		f.buffer = f.section.appendStatistics(f.buffer, number, counts)
	}
	return f.push("write statistics of")
}

func (f *File) closePart() error {
	f.isOpen = false
	if err := f.part.out.Close(); err != nil {
		f.stop(lossOf(err))
		return newWriteError("close", f.part.path, err)
	}
	return nil
}

// hostOS is the "Linux 6.1.0" of this machine, for the section header.
func hostOS() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "Linux"
	}
	return "Linux " + strings.TrimSpace(string(release))
}
