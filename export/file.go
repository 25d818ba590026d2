package export

import (
	"errors"
	"io"
	"time"

	"github.com/xdpeel/xdpeel/mirror"
)

// ErrFilesLimit is what File.Write returns when the last of the files that were
// asked for is complete.
var ErrFilesLimit = errors.New("all files are written")

// bufferSize is what File puts aside before it writes, in bytes. A packet of
// more than that still goes out whole.
const bufferSize = 256 << 10

// FileBytes is the memory, in bytes, that an output of files takes besides a batch of the
// backlog: a buffer, and the index of a part that its own sampling or snap length made.
const FileBytes = bufferSize + mirror.BatchPackets*mirror.PacketBytes

// FileOptions say where a File writes and what it says of the capture.
type FileOptions struct {
	// Path of the file. Its strftime conversions (%Y %m %d %H %M %S %s %y %j %b
	// %a %F %T %Z %z %%) are expanded with the local time when a file is begun.
	// "-" is Stdout. What ends in .zst or .gz is compressed.
	Path   string
	Format Format
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
	// RotateEvery is how long a file goes on, in time of its packets; 0 for ever.
	RotateEvery time.Duration
	// Aligned has RotateEvery count from midnight of the local time, so that 5m
	// begins files at 10:00, 10:05 and so forth, and not from a file's first packet.
	Aligned bool
	// Files limits the number of files; 0 for no limit. With RotateSize the
	// oldest is deleted for a new one; with RotateEvery alone the capture ends.
	Files int
	// Live packets come as they are captured: see stamps.
	Live bool
}

// File is a Sink that writes pcapng or pcap to a file or a run of files, a pipe, a
// device or standard output. It never overwrites: see createPart.
type File struct {
	options FileOptions
	create  func(path string, suffix int) (part, error) // tests put a failing disk here
	now     func() time.Time
	// retire takes a file that is complete; nil: it is closed, and brought to the
	// disk only by Close.
	retire func(retiredPart)

	format    format
	stamps    *stamps // nil: times are taken as they are
	keepsTime bool    // a packet's time may want another file
	packer    *packer // nil: the file is not compressed
	limit     int     // bytes of buffer, beyond which it is written
	buffer    []byte  // whole blocks that wait to be written
	waiting   int     // packets in buffer
	inPlace   inPlace
	account   *account
	stopped   mirror.Loss // why no more packets are taken; "" while they are

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
	f, err := prepareFile(o, bufferSize, create, now)
	if err == nil {
		err = f.begin(now())
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// prepareFile makes a File that opens its first file for its first packet, and writes
// limit bytes at a time.
func prepareFile(o FileOptions, limit int, create func(string, int) (part, error), now func() time.Time) (*File, error) {
	if o.Statistics == nil {
		return nil, errors.New("open file: no function for statistics")
	}
	f := &File{
		options: o, create: create, now: now,
		format: newFormat(o), packer: newPacker(o.Path), limit: limit, account: newAccount(),
		buffer: make([]byte, 0, limit),
	}
	if o.Live {
		f.stamps = newStamps(now)
	}
	if section, ok := f.format.(*section); ok && f.packer == nil {
		f.inPlace.section = section
	}
	f.keepsTime = o.Live || o.RotateEvery > 0
	return f, nil
}

// Account says what became of the packets; see Sink.
func (f *File) Account() mirror.OutputAccount { return f.account.snapshot() }

// Write adds the packets of b to the file. Its errors are a *WriteError, after
// which it returns nil and counts what it is given as lost for the same reason,
// and ErrFilesLimit, which it then returns always.
func (f *File) Write(b *mirror.Batch) error {
	f.account.offer(len(b.Packets))
	f.useSpace(b)
	err := f.take(b.Packets)
	if failed := f.leaveSpace(); failed != nil {
		err = errors.Join(err, failed)
	}
	return err
}

// take is Write of packets that are offered already.
func (f *File) take(packets []mirror.Packet) error {
	var err error
	if f.stamps != nil {
		f.stamps.look()
	}
	for len(packets) > 0 && f.stopped == "" {
		packets = packets[f.takeRow(packets):]
		if len(packets) == 0 {
			break
		}
		if err = f.add(&packets[0]); err == nil {
			packets = packets[1:]
		}
	}
	f.account.losePackets(f.stopped, packets)
	if f.stopped == mirror.LossLimitReached {
		return ErrFilesLimit
	}
	return err
}

// add puts the blocks of one packet into the buffer. After an error it has not,
// and the file takes no more.
func (f *File) add(p *mirror.Packet) error {
	if !f.isOpen || f.keepsTime {
		if err := f.makeReady(p); err != nil {
			return err
		}
	}
	stamped := p
	if f.stamps != nil {
		stamped = f.stamp(p)
	}
	size := f.format.size(stamped)
	if f.options.RotateSize > 0 && f.overflows(stamped, size) {
		if err := f.rotate(f.now()); err != nil {
			return err
		}
		if stamped = p; f.stamps != nil {
			stamped = f.stamp(p)
		}
		size = f.format.size(stamped)
	}
	if err := f.makeRoom(p, size); err != nil {
		return err
	}
	if f.waiting == 0 && f.packer != nil {
		f.packer.since = time.Now()
	}
	f.buffer = f.format.append(f.buffer, stamped)
	f.waiting++
	f.run.note(stamped)
	return nil
}

// stamp returns p with the time that it has in this file.
func (f *File) stamp(p *mirror.Packet) *mirror.Packet {
	p = f.stamps.stamp(p)
	if note := f.stamps.remark(p); note != "" {
		f.format.remark(note)
	}
	return p
}

// Flush writes the packets that wait; of a compressed file, those that have waited
// for a while, since few packets are hardly smaller for being compressed. Its
// error is a *WriteError.
func (f *File) Flush() error {
	if f.packer == nil {
		return f.push("write")
	}
	if f.waiting > 0 && time.Since(f.packer.since) >= packedFlush {
		return f.push("write")
	}
	return f.settle("write", bundlesUnderWay)
}

// drain writes all that waits.
func (f *File) drain(action string) error {
	if err := f.push(action); err != nil {
		return err
	}
	return f.settle(action, 0)
}

// push hands the buffer to the disk, or to the packer.
func (f *File) push(action string) error {
	if len(f.buffer) == 0 {
		return nil
	}
	if f.packer != nil {
		f.buffer = f.packer.add(f.buffer, f.waiting, f.format.interfaceCount())
		f.waiting = 0
		return f.settle(action, bundlesUnderWay)
	}
	n, err := f.writeOut(f.buffer)
	if err != nil {
		return f.fail(action, n, err)
	}
	f.keep(n, f.waiting, f.format.interfaceCount())
	f.empty()
	return nil
}

// settle writes the bundles that are compressed, in order, and waits for those
// beyond a number that may be under way.
func (f *File) settle(action string, underWay int) error {
	if f.packer == nil {
		return nil
	}
	for bundle := range f.packer.ready(underWay) {
		if bundle.packets > 0 {
			if err := f.reserve(len(bundle.packed)); err != nil {
				return f.fail(action, 0, err)
			}
		}
		n, err := f.writeOut(bundle.packed)
		if err != nil {
			return f.fail(action, n, err)
		}
		f.keep(n, bundle.packets, bundle.interfaces)
		f.packer.drop()
	}
	return nil
}

func (f *File) writeOut(bytes []byte) (int, error) {
	n, err := f.part.out.Write(bytes)
	if err == nil && n < len(bytes) {
		err = io.ErrShortWrite
	}
	return n, err
}

// keep settles the account of what the file has now: n bytes and so many packets
// more, and so many interface blocks in all.
func (f *File) keep(n, packets, interfaces int) {
	f.deliver(packets)
	f.written += int64(n)
	f.begun = interfaces
}

// deliver counts packets that the file has now.
func (f *File) deliver(packets int) {
	f.account.deliverTo(f.part.sheet, packets)
	f.run.delivered += packets
}
