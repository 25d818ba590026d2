package lab

import (
	"bytes"
	"sync"
)

// Transcript is what a process or a goroutine says, which may be read while it goes
// on. The zero value is empty.
type Transcript struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (t *Transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buffer.Write(p)
}

// String returns all that was said so far.
func (t *Transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buffer.String()
}
