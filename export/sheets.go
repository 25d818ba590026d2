package export

import (
	"hash/fnv"
	"os"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/books"
)

// sheets are those of an output's files, in its book.
type sheets struct {
	book   *books.Book // nil: there are none
	origin uint64
}

// originOf tells files of one path from those of another.
func originOf(path string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(path)) // cannot fail
	return hash.Sum64()
}

// open returns the sheet of a file that was made, nil if there is none.
func (s sheets) open(file *os.File) *books.Sheet { return s.of(file, s.book.Open) }

// take returns the sheet of a file that an earlier process left, nil if there is none.
func (s sheets) take(file *os.File) *books.Sheet { return s.of(file, s.book.Take) }

// of returns the sheet that one of the book's methods has for a file.
func (s sheets) of(file *os.File, find func(books.FileID, uint64) *books.Sheet) *books.Sheet {
	if s.book == nil {
		return nil
	}
	id, err := identify(int(file.Fd()), "")
	if err != nil {
		return nil
	}
	return find(id, s.origin)
}

// identify tells what a descriptor refers to, or what a path names.
func identify(fd int, path string) (id books.FileID, err error) {
	flags := 0
	if path == "" {
		flags = unix.AT_EMPTY_PATH
	}
	var s unix.Statx_t
	if err := unix.Statx(fd, path, flags|unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &s); err != nil {
		return id, &os.PathError{Op: "statx", Path: path, Err: err}
	}
	id = books.FileID{Device: unix.Mkdev(s.Dev_major, s.Dev_minor), Inode: s.Ino}
	if s.Mask&unix.STATX_BTIME != 0 {
		id.Born = uint64(s.Btime.Sec)*1e9 + uint64(s.Btime.Nsec)
	}
	return id, nil
}
