package export

import (
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xdpeel/xdpeel/mirror"
)

const (
	// retiredWaiting is how many files may wait to be brought to the disk. With one
	// more, writing waits for that as well.
	retiredWaiting = 16
	// keepInterval is how often the bounds of an output are looked at.
	keepInterval = time.Second
)

// FileCounts are an output's files by what became of them, since it was opened.
type FileCounts struct {
	Complete       uint64 `json:"complete"`        // got their names
	Recovered      uint64 `json:"recovered"`       // of them, those that an earlier process had left
	Damaged        uint64 `json:"damaged"`         // the disk did not take: they end in .damaged
	Deleted        uint64 `json:"deleted"`         // were the oldest, and more than may be kept
	CommandsFailed uint64 `json:"commands_failed"` // had their command fail, or none run
}

// publisher brings files that are complete to the disk and gives them their names,
// deletes the oldest, and runs the command of each: all that would have those wait
// who write.
type publisher struct {
	log         *slog.Logger
	account     *account
	pattern     *pattern
	sheets      sheets
	format      Format // of its files
	application string // that wrote them: a word
	shelf       *shelf
	command     Command
	uploads     Uploads // nil: there are none

	retired  chan retiredPart
	commands chan string
	work     sync.WaitGroup
	open     atomic.Int64 // bytes of files that are not complete
	nameless []retiredPart
	closing  atomic.Bool
	failure  error // of the files that were left when it was closed

	complete, recovered, damaged, deleted, commandsFailed atomic.Uint64
}

// start has the publisher see to what an earlier process left, then to what comes.
func (p *publisher) start() {
	p.retired = make(chan retiredPart, retiredWaiting)
	p.commands = make(chan string, commandsWaiting)
	p.work.Go(p.runCommands)
	p.work.Go(func() {
		defer close(p.commands)
		if err := p.shelf.list(); err != nil {
			p.log.Error("files of earlier runs cannot be listed", "error", err, "hint", "see that xdpeel may read the directory")
		}
		p.recoverLeft()
		p.offerEarlier()
		p.run()
	})
}

// offerEarlier offers the files of earlier runs for upload.
func (p *publisher) offerEarlier() {
	for _, file := range p.shelf.all() {
		if !strings.HasSuffix(file.path, damagedEnd) {
			p.offer(file.path)
		}
	}
}

func (p *publisher) offer(path string) {
	if p.uploads == nil {
		return
	}
	name, err := filepath.Rel(p.pattern.root, path)
	if err != nil {
		name = filepath.Base(path)
	}
	p.uploads.Offer(path, filepath.ToSlash(name))
}

// close returns once all files that came are seen to.
func (p *publisher) close() error {
	p.closing.Store(true)
	close(p.retired)
	p.work.Wait()
	return p.failure
}

func (p *publisher) run() {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	for {
		select {
		case next, ok := <-p.retired:
			if !ok {
				p.nameAgain()
				for _, left := range p.nameless {
					p.failure = errors.Join(p.failure, errors.New("file stays behind as "+left.place()), left.out.Close())
				}
				return
			}
			if err := p.publish(next); err != nil && p.closing.Load() {
				p.failure = errors.Join(p.failure, err)
			}
		case <-ticker.C:
			p.nameAgain()
		}
		p.trim()
	}
}

// publish brings a file to the disk and gives it its name. Once the disk has failed
// to take a file, asking again proves nothing: it forgets what it could not write.
func (p *publisher) publish(file retiredPart) error {
	end := ""
	p.shelf.place(file.out)
	syncErr := file.out.Sync()
	switch {
	case file.isGone():
		p.account.takeBack(mirror.LossFileRemoved, file.packets)
		file.sheet.Lose(mirror.LossFileRemoved)
		p.log.Error("file was removed before it was complete", "file", file.place(), "packets", file.packets, "hint", "leave .part files alone")
		return errors.Join(fs.ErrNotExist, file.out.Close())
	case syncErr != nil:
		end = damagedEnd
		p.damaged.Add(1)
		p.account.takeBack(mirror.LossSyncError, file.packets)
		p.log.Error("disk did not take a file: it is damaged", "file", file.place(), "packets", file.packets, "error", syncErr, "hint", "look after the disk: dmesg")
	}
	err := p.name(file, end)
	if syncErr != nil {
		file.sheet.Lose(mirror.LossSyncError)
	}
	switch {
	case err == nil:
		return syncErr
	case end == "":
		p.nameless = append(p.nameless, file)
		return nil // as long as it is tried again
	}
	return errors.Join(syncErr, err, file.out.Close())
}

// name gives a file its name and closes it, and has all done that is done to a
// complete one.
func (p *publisher) name(file retiredPart, end string) error {
	path, err := file.show(end)
	if err != nil {
		p.log.Error("file cannot be named", "file", file.place(), "error", err, "hint", "it is tried again; see that xdpeel may write to the directory")
	}
	if path == "" {
		return err
	}
	if end == "" {
		file.sheet.Settle()
	}
	if err := p.shelf.add(path); err != nil {
		p.log.Error("file is gone already", "file", path, "error", err, "hint", "somebody else moves or deletes files here")
	}
	if err := file.out.Close(); err != nil {
		p.log.Error("file is not closed in order", "file", path, "error", err, "hint", "look after the disk: dmesg")
	}
	if end != "" {
		return nil
	}
	p.complete.Add(1)
	p.announce(path)
	return nil
}

// announce has the command run for a file.
func (p *publisher) announce(path string) {
	select {
	case p.commands <- path:
	default:
		p.commandsFailed.Add(1)
		p.log.Error("too many files wait for their command: it is not run", "file", path, "hint", "a faster command, or fewer files")
	}
}

// nameAgain tries to name the files that could not be.
func (p *publisher) nameAgain() {
	nameless := p.nameless
	p.nameless = nil
	for _, file := range nameless {
		if p.name(file, "") != nil {
			p.nameless = append(p.nameless, file)
		}
	}
}

func (p *publisher) trim() {
	deleted, err := p.shelf.trim(p.open.Load())
	p.deleted.Add(uint64(len(deleted)))
	for _, path := range deleted {
		if p.uploads != nil {
			p.uploads.Drop(path)
		}
	}
	if err != nil {
		p.log.Error("the oldest files cannot be deleted", "error", err, "hint", "see that xdpeel may write to the directory")
	}
}

// runCommands runs the commands of files, one after the other. Once the publisher is
// closed they have the time of one to end.
func (p *publisher) runCommands() {
	var end time.Time // zero: it is not closed
	for path := range p.commands {
		if p.closing.Load() && end.IsZero() {
			end = time.Now().Add(p.command.Timeout)
		}
		if len(p.command.Arguments) > 0 {
			err := errors.New("there is no time for it before xdpeel ends")
			if end.IsZero() || time.Now().Before(end) {
				err = p.command.run(path)
			}
			if err != nil {
				p.commandsFailed.Add(1)
				p.log.Error("command of a file failed", "file", path, "error", err, "hint", "the error has what it printed")
			}
		}
		p.offer(path)
	}
}

// counts may be called at any time.
func (p *publisher) counts() FileCounts {
	return FileCounts{
		Complete: p.complete.Load(), Recovered: p.recovered.Load(), Damaged: p.damaged.Load(),
		Deleted: p.deleted.Load(), CommandsFailed: p.commandsFailed.Load(),
	}
}
