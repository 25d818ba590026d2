package export

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/xdpeel/xdpeel/books"
)

// target is what a File needs of an *os.File.
type target interface {
	io.WriteCloser
	Truncate(size int64) error
	Sync() error
}

// stream is a target that somebody else opened, and will close.
type stream struct{ io.Writer }

func (stream) Close() error         { return nil }
func (stream) Truncate(int64) error { return errors.ErrUnsupported }
func (stream) Sync() error          { return nil }

// part is one file of a run, or the one pipe or device.
type part struct {
	path    string // that it has, or will have once it is complete
	hidden  bool   // it has hiddenEnd behind its name until then
	suffix  int    // number in the path, 0 without
	out     target
	regular bool         // it can be cut back, and has nothing in it but what is written here
	created bool         // it was not there before
	info    os.FileInfo  // tells whether path still names it
	sheet   *books.Sheet // counts what is in it; nil: nothing does
}

// hiddenEnd stands behind the name of a file that is not complete.
const hiddenEnd = ".part"

// place is the name that the file has.
func (p part) place() string {
	if p.hidden {
		return p.path + hiddenEnd
	}
	return p.path
}

// errTaken says that another name must be tried.
var errTaken = errors.New("file has content or another writer")

// createPart opens a file for writing that nobody loses anything by: a new one,
// or an existing one of no bytes (mktemp leaves such). Where path names another
// it goes on to path-1, path-2 and so forth, from number suffix on. A pipe or a
// device is opened as it is.
//
// Two programs never get the same file: a new one is made by O_EXCL, and only
// the holder of its lock writes to an empty one.
func createPart(path string, suffix int) (part, error) {
	for ; ; suffix++ {
		p, err := tryPart(numbered(path, suffix), suffix == 0)
		if errors.Is(err, errTaken) {
			continue
		}
		p.suffix = suffix
		return p, err
	}
}

// tryPart opens one name, or returns errTaken.
func tryPart(name string, isAsked bool) (part, error) {
	// Captured traffic is not for everybody on the host; the umask may take more away.
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o640)
	if err == nil {
		return adopt(part{path: name, out: file, created: true}, file)
	}
	if !errors.Is(err, fs.ErrExist) {
		return part{}, err
	}

	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist): // a link that leads nowhere
		return part{}, errTaken
	case err != nil:
		return part{}, err
	case info.IsDir():
		return part{}, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	case info.Mode().IsRegular() && info.Size() > 0, !info.Mode().IsRegular() && !isAsked:
		return part{}, errTaken
	}
	flags := os.O_WRONLY
	if info.Mode().IsRegular() {
		flags |= os.O_APPEND // after a cut, writing goes on at the end; a block device would refuse it
	}
	if file, err = os.OpenFile(name, flags, 0); err != nil {
		return part{}, err
	}
	return adopt(part{path: name, out: file}, file)
}

// adopt makes sure of an open file that it is ours alone, or returns errTaken.
func adopt(p part, file *os.File) (part, error) {
	var err error
	if p.info, err = file.Stat(); err != nil {
		return part{}, errors.Join(err, file.Close())
	}
	p.regular = p.info.Mode().IsRegular()
	if p.regular && !isOurs(p.place(), file) {
		return part{}, errors.Join(errTaken, file.Close())
	}
	return p, nil
}

// isOurs locks an empty file. Before the lock was got, another program may have
// written to it, or given it up and removed it.
func isOurs(path string, file *os.File) bool {
	if !lockNamed(path, file) {
		return false
	}
	opened, err := file.Stat()
	return err == nil && opened.Size() == 0
}

// lockNamed locks a file, and says whether it has the lock and is still the one that
// path names.
func lockNamed(path string, file *os.File) bool {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) { // any other error: a file system without locks
		return false
	}
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

// delete removes the file, unless somebody has moved it away or put another in
// its place.
func (p part) delete() error {
	info, err := os.Lstat(p.place())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, p.info) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(p.place())
}

// isGone says whether somebody has removed the file.
func (p part) isGone() bool {
	file, ok := p.out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	status, ok := info.Sys().(*syscall.Stat_t)
	return ok && status.Nlink == 0
}

// discard removes the file if it was not there before. It must still be open,
// since closing it gives up the lock and another program may then adopt it.
func (p part) discard() error {
	p.sheet.Discard()
	if !p.created {
		return nil
	}
	return p.delete()
}
