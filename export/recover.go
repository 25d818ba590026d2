package export

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/mirror"
)

// errNotOurs is of a file that is named like one of ours.
var errNotOurs = errors.New("it is not a capture file of xdpeel's")

// emptyAge is how old an empty file must be to be removed: before, it may be one that
// somebody else, who knows no locks, is about to write.
const emptyAge = 10 * time.Second

// recoverLeft gives the files their names that an earlier process did not complete,
// each cut behind its last whole block. What another process writes is left alone.
func (p *publisher) recoverLeft() {
	left, err := p.pattern.find(hiddenEnd)
	if err != nil {
		p.log.Error("files of earlier runs cannot be looked for", "error", err, "hint", "see that xdpeel may read the directory")
	}
	for _, file := range left {
		if err := p.recover(file.path); err != nil {
			p.log.Error("file of an earlier run cannot be recovered", "file", file.path, "error", err, "hint", "move it away if it is not wanted")
		}
	}
	p.settleNamed(left)
}

// recover recovers one file.
func (p *publisher) recover(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	// Before the lock is asked for: who made the file a moment ago, this process itself
	// maybe, would take it for somebody else's and leave it behind.
	if info, err := file.Stat(); err == nil && info.Size() == 0 && isYoung(info) {
		return file.Close()
	}
	if !lockNamed(path, file) {
		return file.Close()
	}
	name, sheet := strings.TrimSuffix(path, hiddenEnd), p.sheets.take(file)
	size, s, err := p.mend(name, file)
	if err != nil {
		sheet.Return()
		return errors.Join(err, file.Close())
	}
	sheet.Recount(s.packets)
	if s.packets == 0 {
		sheet.Discard()
		return errors.Join(os.Remove(path), file.Close())
	}
	p.log.Info("file of an earlier run is complete", "file", name, "packets", s.packets, "bytes_cut", size)
	p.recovered.Add(1)
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	// Its packets are in no account of this process but the sheet's.
	left := retiredPart{part: part{path: name, hidden: true, out: file, regular: true, info: info, sheet: sheet}, name: name}
	return p.publish(left)
}

// isYoung says whether a file was changed a moment ago. One of the future was not: the
// clock was set back.
func isYoung(info os.FileInfo) bool {
	age := time.Since(info.ModTime())
	return 0 <= age && age < emptyAge
}

// mend cuts a file behind its last whole block and ends it, and returns how many
// bytes were cut.
func (p *publisher) mend(name string, file *os.File) (cut int64, s *scan, err error) {
	s = &scan{format: p.format, application: p.application}
	whole, end, err := s.read(name, file)
	size, sizeErr := file.Seek(0, io.SeekEnd)
	if err = errors.Join(err, sizeErr); err != nil {
		return 0, s, err
	}
	if !s.begun && size > 0 {
		return 0, s, errNotOurs
	}
	if err := file.Truncate(whole); err != nil {
		return 0, s, err
	}
	if _, err := file.WriteAt(end, whole); err != nil {
		return 0, s, errors.Join(err, file.Truncate(whole))
	}
	return size - whole, s, nil
}

// settleNamed sees to the sheets of files that are not there under their hidden names:
// the process was killed when it had just named one, or somebody removed it since. left
// are the files that are there.
func (p *publisher) settleNamed(left []named) {
	all := p.sheets.book.TakeAll(p.sheets.origin)
	if len(all) == 0 {
		return
	}
	hidden, complete, damaged := identifyAll(left), p.found(""), p.found(damagedEnd)
	for _, sheet := range all {
		switch id := sheet.File(); {
		case hidden[id]:
			sheet.Return() // another has it, or it could not be mended
		case complete[id]:
			sheet.Settle()
		case damaged[id]:
			sheet.Lose(mirror.LossSyncError)
		default:
			sheet.Lose(mirror.LossFileRemoved)
		}
	}
}

// found are the files that the pattern names with an end behind their names.
func (p *publisher) found(end string) map[books.FileID]bool {
	files, err := p.pattern.find(end)
	if err != nil {
		p.log.Error("files of earlier runs cannot be looked for", "error", err, "hint", "see that xdpeel may read the directory")
	}
	return identifyAll(files)
}

func identifyAll(files []named) map[books.FileID]bool {
	ids := make(map[books.FileID]bool)
	for _, file := range files {
		if id, err := identify(unix.AT_FDCWD, file.path); err == nil { // else it went away
			ids[id] = true
		}
	}
	return ids
}
