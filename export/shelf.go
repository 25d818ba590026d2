package export

import (
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Keep bounds what an output leaves on the disk. The oldest of its files go first,
// and the ones that are open never.
type Keep struct {
	Size  int64 // bytes of all its files; 0: any
	Files int   // complete ones; 0: any
	Free  int64 // bytes that shall be free on the file system; 0: any
}

// shelfAge is how old the list of files may be that a bound is held against: others
// may have removed some of them, or left some.
const shelfAge = time.Minute

// shelf is an output's complete files, the oldest first, those of earlier runs
// included.
type shelf struct {
	pattern *pattern
	keep    Keep

	mu     sync.Mutex
	files  []named
	size   int64
	listed time.Time
	newest int64 // the highest place that a file ever had
}

// list reads from the disk which files there are.
func (s *shelf) list() error {
	files, err := s.pattern.find("", damagedEnd)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files, s.size, s.listed = files, 0, time.Now()
	for _, file := range files {
		s.size += file.info.Size()
		s.newest = max(s.newest, file.order)
	}
	return err
}

// place gives a complete file its place behind all others, whatever the clock says.
func (s *shelf) place(out target) {
	file, ok := out.(*os.File)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = max(s.newest+1, time.Now().UnixNano())
	setOrder(file, s.newest)
}

// add puts a file behind the others.
func (s *shelf) add(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, named{path, info, orderOf(path, info)})
	s.size += info.Size()
	return nil
}

// holds returns how many files there are, and their bytes.
func (s *shelf) holds() (files int, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files), s.size
}

// all are the files, the oldest first.
func (s *shelf) all() []named {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.files)
}

// trim deletes the oldest files as long as a bound is exceeded, and says which.
// open is how many bytes the files have that are not complete.
func (s *shelf) trim(open int64) (deleted []string, err error) {
	if s.keep == (Keep{}) {
		return nil, nil
	}
	if s.isOver(open) || time.Since(s.listed) > shelfAge {
		err = s.list()
	}
	for s.isOver(open) {
		oldest := s.take()
		if oldest == nil {
			return deleted, err
		}
		if failed := (part{path: oldest.path, info: oldest.info}).delete(); failed != nil {
			return deleted, errors.Join(err, failed)
		}
		s.pattern.removeEmpty(oldest.path)
		deleted = append(deleted, oldest.path)
	}
	return deleted, err
}

// take takes the oldest file off the list, nil without one.
func (s *shelf) take() *named {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.files) == 0 {
		return nil
	}
	oldest := s.files[0]
	s.files = s.files[1:]
	s.size -= oldest.info.Size()
	return &oldest
}

func (s *shelf) isOver(open int64) bool {
	files, size := s.holds()
	if files == 0 {
		return false
	}
	if s.keep.Files > 0 && files > s.keep.Files || s.keep.Size > 0 && size+open > s.keep.Size {
		return true
	}
	free, err := freeBytes(s.pattern.root)
	return s.keep.Free > 0 && err == nil && free < s.keep.Free
}

// freeBytes is how much room a file system has for who is not privileged.
func freeBytes(directory string) (int64, error) {
	var status unix.Statfs_t
	if err := unix.Statfs(directory, &status); err != nil {
		return 0, err
	}
	return int64(status.Bavail) * status.Bsize, nil
}
