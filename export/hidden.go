package export

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Owner says whose an output's files are, and who may read them.
type Owner struct {
	User, Group int         // numbers; -1 leaves what the kernel gives
	Mode        os.FileMode // permissions; 0: what the umask leaves of 0640
}

// hiddenParts creates files that have hiddenEnd behind their names until they are
// complete.
type hiddenParts struct {
	pattern *pattern
	owner   Owner
	sheets  sheets
}

// create opens a new file for writing. Where path, or its hidden name, is taken, it
// goes on to path-1, path-2 and so forth, from number suffix on. Directories that
// have conversions in their names are made.
func (h *hiddenParts) create(path string, suffix int) (part, error) {
	isMade := false
	for ; ; suffix++ {
		p, err := h.try(numbered(path, suffix))
		if errors.Is(err, errTaken) {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) && !isMade && !h.pattern.isFixed() {
			isMade = true
			suffix--
			if err := h.makeDirectories(filepath.Dir(path)); err != nil {
				return part{}, err
			}
			continue
		}
		p.suffix = suffix
		return p, err
	}
}

func (h *hiddenParts) try(name string) (part, error) {
	for _, end := range []string{"", damagedEnd} {
		if _, err := os.Lstat(name + end); err == nil {
			return part{}, errTaken
		}
	}
	file, err := os.OpenFile(name+hiddenEnd, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return part{}, errTaken
	}
	if err != nil {
		return part{}, err
	}
	p, err := adopt(part{path: name, hidden: true, out: file, created: true}, file)
	if err != nil {
		return part{}, err
	}
	if err := h.owner.give(file); err != nil {
		return part{}, errors.Join(err, p.discard(), file.Close())
	}
	p.sheet = h.sheets.open(file)
	return p, nil
}

func (o Owner) give(file *os.File) error {
	if o.User >= 0 || o.Group >= 0 {
		if err := file.Chown(o.User, o.Group); err != nil {
			return err
		}
	}
	if o.Mode != 0 {
		return file.Chmod(o.Mode)
	}
	return nil
}

// makeDirectories makes a directory below the root, which has to be there: it may
// be a disk that is not mounted.
func (h *hiddenParts) makeDirectories(directory string) error {
	if len(directory) <= len(h.pattern.root) {
		return nil
	}
	if err := h.makeDirectories(filepath.Dir(directory)); err != nil {
		return err
	}
	err := os.Mkdir(directory, 0o777)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil && (h.owner.User >= 0 || h.owner.Group >= 0) {
		err = os.Chown(directory, h.owner.User, h.owner.Group)
	}
	return err
}

// show gives a complete file its name, or that with a number where it is taken, and
// returns which. Nothing is overwritten. After it the name lasts.
func (p retiredPart) show(end string) (path string, err error) {
	for suffix := p.suffix; ; suffix++ {
		path = numbered(p.name, suffix) + end
		if err = renameNew(p.place(), path); err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", &fs.PathError{Op: "rename", Path: p.place(), Err: err}
		}
	}
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return path, err
	}
	return path, errors.Join(directory.Sync(), directory.Close())
}

// renameNew renames a file unless the new name is taken.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	// A file system that cannot do that. A second name is never put in another's place.
	if err := unix.Link(from, to); err != nil {
		return err
	}
	return unix.Unlink(from)
}
