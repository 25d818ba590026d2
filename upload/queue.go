// Package upload brings finished files to an S3 store: each once, under a key that is
// never overwritten, and again and again until the store has it. What a store has is
// told by the file itself, so that a restart goes on where it was; where the file
// system cannot remember it, the store is asked.
package upload

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// firstWait and lastWait bound how long a worker waits after a failure.
	firstWait = time.Second
	lastWait  = time.Minute
	// grace is how long Close waits for a store that answers.
	grace = 10 * time.Second
)

// Counts are what became of files since the queue was made, and what waits.
type Counts struct {
	Uploaded      uint64 // files that the store has
	UploadedBytes uint64 // of them
	Failures      uint64 // attempts that failed
	Dropped       uint64 // files that were deleted before the store had them
	Waiting       uint64 // files that the store does not have
	WaitingBytes  uint64 // of them
	Error         string // why the last attempt failed, "" if it did not
}

// file is one that waits.
type file struct {
	path, name string
	size       int64
	isDeleted  bool
}

// Queue are the files that the store is to have.
type Queue struct {
	store *store
	log   *slog.Logger

	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond
	waiting  []file
	underWay map[string]file // by path
	closing  bool
	isDown   bool          // the last attempt failed
	answered chan struct{} // is closed, and made anew, when an attempt succeeds
	counts   Counts
}

// New returns a queue whose workers begin at once. It does not ask the store
// anything: one that is down is waited for. Its error is of what the environment and
// AWS's own files say of region and credentials.
func New(o Options) (*Queue, error) {
	store, err := newStore(o)
	if err != nil {
		return nil, err
	}
	q := &Queue{store: store, log: o.Log, underWay: make(map[string]file), answered: make(chan struct{})}
	q.changed = sync.NewCond(&q.mu)
	q.ctx, q.cancel = context.WithCancel(context.Background())
	for range o.Parallel {
		q.workers.Go(q.work)
	}
	return q, nil
}

// Offer adds a file, unless it waits already or the store is known to have it. name
// is what its key ends in.
func (q *Queue) Offer(path, name string) {
	info, err := os.Lstat(path)
	if err != nil || attribute(path, uploadedAttribute) == q.store.place() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.underWay[path]; ok || slices.ContainsFunc(q.waiting, func(f file) bool { return f.path == path }) {
		return
	}
	q.waiting = append(q.waiting, file{path: path, name: name, size: info.Size()})
	q.changed.Broadcast()
}

// Drop is of a file that is deleted. One that is under way may yet come to the store.
func (q *Queue) Drop(path string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.waiting)
	q.waiting = slices.DeleteFunc(q.waiting, func(f file) bool { return f.path == path })
	q.counts.Dropped += uint64(before - len(q.waiting))
	if f, ok := q.underWay[path]; ok {
		f.isDeleted = true
		q.underWay[path] = f
	}
}

// Counts may be called at any time.
func (q *Queue) Counts() Counts {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := q.counts
	for _, f := range q.waiting {
		counts.Waiting++
		counts.WaitingBytes += uint64(f.size)
	}
	for _, f := range q.underWay {
		counts.Waiting++
		counts.WaitingBytes += uint64(f.size)
	}
	return counts
}

// Close gives a store that answers a while to take what waits. What it does not have
// then, the next queue offers it again.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closing = true
	q.changed.Broadcast()
	q.mu.Unlock()
	end := time.AfterFunc(grace, q.cancel)
	q.workers.Wait()
	end.Stop()
	q.cancel()
	if left := q.Counts(); left.Waiting > 0 {
		q.log.Warn("files wait for their upload until xdpeel starts again", "files", left.Waiting, "bytes", left.WaitingBytes,
			"error", left.Error, "hint", "see that the store answers")
	}
	return nil
}

// work uploads files until the queue is closed.
func (q *Queue) work() {
	failures := 0 // in a row
	for {
		next, ok := q.take()
		if !ok {
			return
		}
		err := q.store.upload(q.ctx, next)
		answered := q.settle(next, err)
		if answered == nil {
			failures = 0
			continue
		}
		wait := min(firstWait<<min(failures, 10), lastWait)
		failures++
		select {
		case <-q.ctx.Done():
			return
		case <-answered:
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}

// take waits for a file; false is the end. In closing, a store that fails is not
// tried again.
func (q *Queue) take() (file, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closing {
		q.changed.Wait()
	}
	if len(q.waiting) == 0 || q.ctx.Err() != nil || q.closing && q.isDown {
		return file{}, false
	}
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	q.underWay[next.path] = next
	return next, true
}

// settle notes what came of a file. If it has to be tried again, it returns what is
// closed as soon as the store takes another one.
func (q *Queue) settle(f file, err error) (answered <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f = q.underWay[f.path]
	delete(q.underWay, f.path)
	switch {
	case err == nil:
		q.counts.Uploaded++
		q.counts.UploadedBytes += uint64(f.size)
		q.counts.Error, q.isDown = "", false
		close(q.answered)
		q.answered = make(chan struct{})
		return nil
	case f.isDeleted:
		q.counts.Dropped++
		return nil
	case errors.Is(err, fs.ErrNotExist): // whoever deleted it has said so
		return nil
	}
	q.waiting = append(q.waiting, f)
	if errors.Is(err, errBusy) {
		return q.answered
	}
	q.counts.Failures++
	q.counts.Error, q.isDown = err.Error(), true
	q.log.Error("file is not uploaded: it is tried again", "file", f.path, "error", err,
		"hint", "see that the store answers, and that the credentials may put objects there")
	if q.closing {
		q.cancel() // the others wait for nothing
	}
	return q.answered
}
