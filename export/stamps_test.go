package export

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// setClock is a clock that a test may set.
type setClock struct{ offset atomic.Int64 }

func (c *setClock) set(by time.Duration) { c.offset.Add(int64(by)) }
func (c *setClock) wall() time.Time      { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *setClock) put(s *stamps)        { s.wall = c.wall; s.ahead = s.distance() }
func (c *setClock) now(p *mirror.Packet) { p.Time = c.wall().UnixNano() }

// rule has an archive go by the clock.
func (c *setClock) rule(a *Archive) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for f := range a.files.all() {
		c.put(f.stamps)
	}
}

// at is n packets that arrive by the clock.
func (c *setClock) at(s *series, n int) *mirror.Batch {
	b := s.batch(n, 60, 2)
	for i := range b.Packets {
		c.now(&b.Packets[i])
	}
	return b
}

// However the clock of an archive is set, times in a file are in order, and the
// first packet after that says so.
func TestArchiveClockIsSet(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		step  time.Duration
		files int
		said  string
	}{
		"an hour back":          {-time.Hour, 2, "the clock was set back by 3600.000 s before this packet"},
		"an hour forward":       {time.Hour, 1, "the clock was set forward by 3600.000 s before this packet"},
		"a little back":         {-100 * time.Millisecond, 1, ""},
		"a second forward":      {time.Second, 1, "the clock was set forward by 1.000 s before this packet"},
		"not at all":            {0, 1, ""},
		"a slew is no step":     {400 * time.Millisecond, 1, ""},
		"most of a second back": {-700 * time.Millisecond, 2, "the clock was set back by 0.700 s before this packet"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			a := openArchive(t, archiveOptions(filepath.Join(directory, "a.pcapng"), new(lab.Transcript)))
			clock := &setClock{}
			clock.rule(a)
			var s series
			before := clock.at(&s, 10)
			waiting := clock.at(&s, 5) // judged before the step, and written after it
			if err := errors.Join(a.Write(before), a.Flush()); err != nil {
				t.Fatal(err)
			}
			clock.set(test.step)
			if err := errors.Join(a.Write(waiting), a.Write(clock.at(&s, 10)), a.Write(clock.at(&s, 10)), a.Close()); err != nil {
				t.Fatal(err)
			}
			paths := globbed(t, directory+"/*")
			if len(paths) != test.files {
				t.Errorf("files %q, want %d", paths, test.files)
			}
			checkNumbers(t, inFiles(t, paths...), s.next, a.Account())
			comments := commentsOf(t, paths...)
			if len(comments) == 0 && test.said == "" {
				return
			}
			if len(comments) != 1 || !closeTo(comments["15"], test.said) {
				t.Errorf("comments %v, want %q of packet 15", comments, test.said)
			}
		})
	}
}

// A file ends with its time, by the clock before if that is set back and no packet comes.
func TestArchiveEndsAFileWithoutPackets(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]time.Duration{"an hour back": -time.Hour, "an hour forward": time.Hour, "not at all": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			o := archiveOptions(filepath.Join(directory, "a.pcapng"), new(lab.Transcript))
			o.File.RotateEvery = time.Second
			a := openArchive(t, o)
			clock := &setClock{}
			clock.rule(a)
			var s series
			if err := a.Write(clock.at(&s, 10)); err != nil {
				t.Fatal(err)
			}
			clock.set(step)
			labtest.Eventually(t, "the file has its name", func() bool { return len(globbed(t, directory+"/*.pcapng")) == 1 })
			checkNumbers(t, inFiles(t, globbed(t, directory+"/*")...), s.next, a.Account())
			if err := errors.Join(a.Write(clock.at(&s, 10)), a.Close()); err != nil {
				t.Fatal(err)
			}
			checkNumbers(t, inFiles(t, globbed(t, directory+"/*")...), s.next, a.Account())
		})
	}
}

// closeTo allows the milliseconds that a test takes.
func closeTo(said, want string) bool {
	cut := func(text string) string {
		before, after, _ := strings.Cut(text, " by ")
		_, unit, _ := strings.Cut(after, " s ")
		return before + unit
	}
	return cut(said) == cut(want)
}

// commentsOf returns the comments of packets by their numbers.
func commentsOf(t *testing.T, paths ...string) map[string]string {
	t.Helper()
	comments := make(map[string]string)
	for _, path := range paths {
		for line := range strings.Lines(wireshark(t, "tshark", "-r", path, "-T", "fields", "-e", "frame.comment", "-e", "eth.dst", "-E", "separator=|")) {
			comment, _, _ := strings.Cut(strings.TrimSpace(line), "|")
			if comment != "" {
				comments[comment] = path
			}
		}
	}
	numbered := make(map[string]string)
	for _, path := range paths {
		for _, p := range mustWalk(t, read(t, path)).packets {
			if p.comment != "" {
				if comments[p.comment] == "" {
					t.Errorf("tshark does not see the comment %q", p.comment)
				}
				numbered[numberOf(p)] = p.comment
			}
		}
	}
	return numbered
}

func numberOf(p capturedPacket) string {
	return strconv.Itoa(int(binary.BigEndian.Uint32([]byte(p.data))))
}

// A single file goes on by the clock before.
func TestCaptureClockIsSet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.pcapng")
	f, err := NewFile(FileOptions{Path: path, Statistics: noStatistics, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	clock := &setClock{}
	clock.put(f.stamps)
	var s series
	if err := f.Write(clock.at(&s, 10)); err != nil {
		t.Fatal(err)
	}
	clock.set(-time.Hour)
	if err := errors.Join(f.Write(clock.at(&s, 10)), f.Close()); err != nil {
		t.Fatal(err)
	}
	inFiles(t, path)
	comments := commentsOf(t, path)
	if len(comments) != 1 || !strings.HasPrefix(comments["10"], "the clock was set back by 3600.00") ||
		!strings.Contains(comments["10"], "; times of this file go on by the clock before, 3600.00") {
		t.Errorf("comments %v", comments)
	}
}

// Of a capture that is read from a file, times are nobody's business.
func TestTimesOfAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.pcapng")
	f, err := NewFile(FileOptions{Path: path, Statistics: noStatistics})
	if err != nil {
		t.Fatal(err)
	}
	var s series
	b := s.batch(2, 60, 1)
	b.Packets[1].Time = 5
	if err := errors.Join(f.Write(b), f.Close()); err != nil {
		t.Fatal(err)
	}
	if c := mustWalk(t, read(t, path)); c.packets[1].time != 5 {
		t.Errorf("packets %+v", c.packets)
	}
}
