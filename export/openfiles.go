package export

import (
	"iter"
	"maps"
	"slices"

	"github.com/xdpeel/xdpeel/mirror"
)

const (
	// maxOpenFiles is how many sessions of an Archive have a file open at a time.
	maxOpenFiles = 64
	// splitBufferSize is bufferSize of each of them.
	splitBufferSize = 64 << 10
)

// openFiles are the files that an Archive writes: one a session, or, if it is not
// split, one under the zero session.
type openFiles struct {
	prepare func(mirror.Session) (*File, error)
	files   map[mirror.Session]*File
	used    []mirror.Session // the keys of files, that which was used last in the end
}

func newOpenFiles(prepare func(mirror.Session) (*File, error)) openFiles {
	return openFiles{prepare: prepare, files: make(map[mirror.Session]*File)}
}

// of returns the file of a session, which it prepares if there is none.
func (o *openFiles) of(session mirror.Session) (*File, error) {
	if f := o.files[session]; f != nil {
		return f, nil
	}
	f, err := o.prepare(session)
	if err != nil {
		return nil, err
	}
	o.files[session] = f
	o.used = append(o.used, session)
	return f, nil
}

// use notes that a session's file is used, and ends the one that was not for longest
// if too many are open. Its error is that of File.end.
func (o *openFiles) use(session mirror.Session) error {
	if last := len(o.used) - 1; o.used[last] != session {
		at := slices.Index(o.used, session)
		o.used = append(slices.Delete(o.used, at, at+1), session)
	}
	if len(o.used) <= maxOpenFiles {
		return nil
	}
	oldest := o.files[o.used[0]]
	delete(o.files, o.used[0])
	o.used = slices.Delete(o.used, 0, 1)
	return oldest.end()
}

// all yields the files in any order.
func (o *openFiles) all() iter.Seq[*File] { return maps.Values(o.files) }

// stretchOf is how many packets at the beginning are of the first one's session.
func stretchOf(packets []mirror.Packet) (n int, session mirror.Session) {
	session = packets[0].Session
	for n = 1; n < len(packets) && packets[n].Session == session; n++ {
	}
	return n, session
}
