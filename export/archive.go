package export

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/mirror"
)

const (
	// tickInterval is how often an Archive looks at what time alone brings about:
	// frames that have waited, a window that is over, a file that was removed.
	tickInterval = 50 * time.Millisecond
	// plainInterval is that of files that are not compressed, where nothing waits:
	// looking more often is most of what a daemon without packets would do.
	plainInterval = 500 * time.Millisecond
	// windowGrace is how long after its window a file waits for late packets.
	windowGrace = 2 * time.Second
	// resumeRoom is how many bytes must be free for a full disk to be tried again.
	resumeRoom = 32 << 10
)

// ArchiveOptions say what files an Archive keeps.
type ArchiveOptions struct {
	// File says how the files are named and what they hold. Its path may have
	// conversions of sessions if it is split. Stdout, Aligned, Files and Live are not
	// looked at.
	File    FileOptions
	Split   bool // a file for each session
	Keep    Keep
	Owner   Owner
	Command Command
	Uploads Uploads     // is offered each complete file; nil: nobody is
	Book    *books.Book // keeps the account; nil: it ends with the process
	Log     *slog.Logger
}

// ArchiveBytes is the most memory that an Archive of files with this path takes, in
// bytes, beyond FileBytes.
func ArchiveBytes(path string, split bool) int64 {
	files, buffer := 1, bufferSize
	if split {
		files, buffer = maxOpenFiles, splitBufferSize
	}
	if newPacker(path) != nil {
		buffer += 2*bundlesUnderWay*buffer + 4*zstdWindow
	}
	return int64(files * buffer)
}

// Uploads takes an archive's complete files elsewhere. Any goroutine calls it.
type Uploads interface {
	// Offer is of a file that is complete, and whose command has ended; also of an
	// earlier run, and then maybe not for the first time. name is that below the
	// directory that all files are in.
	Offer(path, name string)
	// Drop is of a file that is deleted.
	Drop(path string)
	// Close ends it once the archive is closed.
	Close() error
}

// Archive is a Sink that keeps files in a directory for good. A file has ".part"
// behind its name until it is complete and on the disk. What an earlier process
// left of its files is completed.
//
// All but Write, Flush, Resume, Close and Discard happens on goroutines of its own,
// which Close ends.
type Archive struct {
	options   ArchiveOptions
	hidden    *hiddenParts
	account   *account
	publisher *publisher

	mu      sync.Mutex
	files   openFiles
	pending error // what failed between the calls
	closed  bool

	stop    chan struct{}
	ticking sync.WaitGroup
}

// NewArchive opens the first file, unless files are split by session: then it makes
// sure of the directory. Its error is that of NewFile. A full disk is none: the next
// Write or Flush tells of it, and packets are lost until Resume finds room.
func NewArchive(o ArchiveOptions) (*Archive, error) {
	pattern, err := newPattern(o.File.Path)
	if err != nil {
		return nil, newWriteError("open", o.File.Path, err)
	}
	o.File.Aligned, o.File.Live, o.File.Files = true, true, 0
	a := &Archive{
		options: o, hidden: &hiddenParts{pattern, o.Owner, sheets{o.Book, originOf(o.File.Path)}}, account: newAccount(),
		stop: make(chan struct{}),
	}
	a.files = newOpenFiles(a.prepare)
	a.account.book = o.Book
	application, _, _ := strings.Cut(o.File.Application, " ")
	a.publisher = &publisher{
		log: o.Log, account: a.account, pattern: pattern, sheets: a.hidden.sheets, format: o.File.Format, application: application,
		shelf: &shelf{pattern: pattern, keep: o.Keep}, command: o.Command, uploads: o.Uploads,
	}
	if err := a.open(); err != nil {
		return nil, err
	}
	a.publisher.start()
	a.ticking.Go(a.tick)
	return a, nil
}

func (a *Archive) open() error {
	if !a.options.Split {
		f, err := a.files.of(mirror.Session{})
		if err != nil {
			return err
		}
		if err = f.begin(time.Now()); f.stopped == mirror.LossDiskFull {
			a.pending, err = err, nil
		}
		return err
	}
	info, err := os.Stat(a.hidden.pattern.root)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: a.hidden.pattern.root, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return newWriteError("open", a.hidden.pattern.root, err)
	}
	return nil
}

// prepare prepares the file of a session, or the one of all.
func (a *Archive) prepare(session mirror.Session) (*File, error) {
	o, limit := a.options.File, bufferSize
	if a.options.Split {
		name := ""
		if o.Name != nil {
			name = o.Name(session)
		}
		o.Path, limit = expandSession(o.Path, session, name), splitBufferSize
	}
	f, err := prepareFile(o, limit, a.hidden.create, time.Now)
	if err != nil {
		return nil, err
	}
	f.account = a.account
	f.retire = func(p retiredPart) { a.publisher.retired <- p }
	return f, nil
}

// Account says what became of the packets; see Sink. Packets of a file that the disk
// did not take, or that somebody removed, go from those delivered to those lost.
func (a *Archive) Account() mirror.OutputAccount { return a.account.snapshot() }

// Files says what became of files. Any goroutine may ask.
func (a *Archive) Files() FileCounts { return a.publisher.counts() }

// Write adds the packets of b to the files of their sessions. Its errors are a
// *WriteError. A file that fails is ended behind its last whole block, and packets
// for it are lost until Resume.
func (a *Archive) Write(b *mirror.Batch) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account.offer(len(b.Packets))
	if a.closed {
		a.account.losePackets(mirror.LossWriteError, b.Packets)
		return nil
	}
	err := a.takePending()
	for packets := b.Packets; len(packets) > 0; {
		n, session := len(packets), mirror.Session{}
		if a.options.Split {
			n, session = stretchOf(packets)
		}
		if failed := a.take(session, packets[:n]); failed != nil {
			err = errors.Join(err, failed)
		}
		packets = packets[n:]
	}
	return err
}

// take adds packets to the file of a session.
func (a *Archive) take(session mirror.Session, packets []mirror.Packet) error {
	f, err := a.files.of(session)
	if err != nil {
		a.account.losePackets(mirror.LossWriteError, packets)
		return err
	}
	err = a.check(f, f.take(packets))
	if a.options.Split {
		err = errors.Join(err, a.files.use(session))
	}
	return err
}

// check ends a file that failed.
func (a *Archive) check(f *File, err error) error {
	if err != nil {
		f.quit()
	}
	return err
}

// Flush hands on what waits, but for what File.Flush keeps. Its error is a *WriteError.
func (a *Archive) Flush() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.takePending()
	if failed := a.flush(); failed != nil {
		err = errors.Join(err, failed)
	}
	return err
}

func (a *Archive) flush() (err error) {
	for f := range a.files.all() {
		if f.stopped != "" {
			continue
		}
		if failed := a.check(f, f.Flush()); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return err
}

func (a *Archive) takePending() error {
	err := a.pending
	a.pending = nil
	return err
}

// tick does what time brings about. What fails by it the next Write tells.
func (a *Archive) tick() {
	interval := tickInterval
	if newPacker(a.options.File.Path) == nil {
		interval = plainInterval
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-a.stop:
			return
		case <-ticker.C:
			a.mu.Lock()
			a.pending = errors.Join(a.pending, a.flush(), a.expire())
			a.mu.Unlock()
		}
	}
}

// expire ends files whose window is over, and gives up those that were removed.
func (a *Archive) expire() error {
	var errs []error
	open := int64(0)
	for f := range a.files.all() {
		switch {
		case !f.isOpen:
			continue
		case f.part.isGone():
			errs = append(errs, f.giveUp())
			continue
		case f.windows() && f.run.packets > 0 && f.stamps.reckoned() > f.run.window+int64(f.options.RotateEvery+windowGrace):
			errs = append(errs, a.check(f, f.end()))
		}
		open += f.written
	}
	a.publisher.open.Store(open)
	return errors.Join(errs...)
}

// Resume takes packets again after an error of Write or Flush, for all files. Its
// error is a *WriteError, after which packets of some are lost as before.
func (a *Archive) Resume() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for f := range a.files.all() {
		if f.stopped == mirror.LossDiskFull {
			if free, err := freeBytes(a.hidden.pattern.root); err == nil && free < resumeRoom {
				return newWriteError("resume", a.options.File.Path, syscall.ENOSPC)
			}
		}
		errs = append(errs, f.Resume())
	}
	return errors.Join(errs...)
}

// Close completes all files and returns once they are on the disk and have their
// names, and their commands have ended. A second call does nothing. Its errors are
// of files that are not whole.
func (a *Archive) Close() error {
	return a.shut((*File).Close)
}

// Discard closes the archive as if it had never been opened, if it has no packet;
// else it closes it.
func (a *Archive) Discard() error {
	return a.shut((*File).Discard)
}

func (a *Archive) shut(end func(*File) error) error {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return nil
	}
	a.closed = true
	errs := []error{a.takePending()}
	for f := range a.files.all() {
		errs = append(errs, end(f))
	}
	a.mu.Unlock()
	close(a.stop)
	a.ticking.Wait()
	errs = append(errs, a.publisher.close())
	if a.options.Uploads != nil {
		errs = append(errs, a.options.Uploads.Close())
	}
	return errors.Join(errs...)
}
