package upload

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// Small and large files arrive whole, and are kept or removed as was asked.
func TestUpload(t *testing.T) {
	s := newServer(t)
	for _, remove := range []bool{false, true} {
		directory, prefix := t.TempDir(), map[bool]string{false: "kept/", true: "removed/"}[remove]
		o := s.options(t)
		o.RemoveLocal = remove
		q := newQueue(t, o)
		wanted := make(map[string][]byte)
		for i, name := range []string{"empty.pcapng", "small.pcapng", "04/large.pcapng.zst", "part.pcapng", "large.pcap"} {
			bytes := content(byte(i), []int{0, 1000, 17 << 20, minPartSize, minPartSize + 1}[i])
			q.Offer(write(t, directory, name, bytes), prefix+name)
			wanted[key(prefix+name)] = bytes
		}
		labtest.Within(t, time.Minute, "all are uploaded", func() bool { return q.Counts().Uploaded == 5 })
		if counts := q.Counts(); counts != (Counts{Uploaded: 5, UploadedBytes: uint64(1000 + 17<<20 + 2*minPartSize + 1)}) {
			t.Errorf("counts %+v", counts)
		}
		got := s.objects(t, o)
		for name := range got {
			if wanted[name] == nil {
				delete(got, name) // of the round before
			}
		}
		want(t, got, wanted)
		if _, err := os.Stat(directory + "/small.pcapng"); os.IsNotExist(err) != remove {
			t.Errorf("remove %v, and the file: %v", remove, err)
		}
		if left := s.leftUploads(t, o); left != 0 {
			t.Errorf("%d uploads in parts are left", left)
		}
		// What it has is not sent again, by this queue or the next.
		for _, next := range []*Queue{q, newQueue(t, o)} {
			next.Offer(directory+"/small.pcapng", prefix+"small.pcapng")
			if counts := next.Counts(); counts.Waiting != 0 {
				t.Errorf("it waits again: %+v", counts)
			}
		}
	}
}

// A key is never overwritten: another file's is left alone, and one that is this very
// file is good, as after a kill between upload and mark.
func TestUploadNeverOverwrites(t *testing.T) {
	s := newServer(t)
	o := s.options(t)
	q := newQueue(t, o)
	wanted := make(map[string][]byte)
	for i, size := range []int{1000, minPartSize + 1000} {
		name := []string{"small.pcapng.zst", "large.pcapng"}[i]
		first, second := content(1, size), content(2, size)
		q.Offer(write(t, t.TempDir(), name, first), name)
		labtest.Within(t, time.Minute, "the first is there", func() bool { return q.Counts().Uploaded == uint64(4*i+1) })
		q.Offer(write(t, t.TempDir(), name, second), name)
		labtest.Within(t, time.Minute, "the second is there", func() bool { return q.Counts().Uploaded == uint64(4*i+2) })
		q.Offer(write(t, t.TempDir(), name, second), name)
		q.Offer(write(t, t.TempDir(), name, first), name)
		labtest.Within(t, time.Minute, "both are there again", func() bool { return q.Counts().Uploaded == uint64(4*i+4) })
		wanted[key(name)] = first
		wanted[numbered(key(name), 1)] = second
	}
	want(t, s.objects(t, o), wanted)
	if left := s.leftUploads(t, o); left != 0 {
		t.Errorf("%d uploads in parts are left", left)
	}
}

// A store that is down is waited for, and what waits can be seen. What was deleted
// meanwhile is counted.
func TestUploadStoreIsDown(t *testing.T) {
	s := newServer(t)
	s.Kill()
	o, directory := s.options(t), t.TempDir()
	log := new(lab.Transcript)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	q := newQueue(t, o)
	wanted := make(map[string][]byte)
	for i, name := range []string{"a.pcapng", "b.pcapng", "c.pcapng", "d.pcapng"} {
		bytes := content(byte(i), 100_000)
		q.Offer(write(t, directory, name, bytes), name)
		wanted[key(name)] = bytes
	}
	labtest.Within(t, time.Minute, "it fails", func() bool { return q.Counts().Failures > 0 })
	if counts := q.Counts(); counts.Waiting != 4 || counts.WaitingBytes != 400_000 || counts.Error == "" || log.String() == "" {
		t.Errorf("counts %+v; log:\n%s", counts, log)
	}
	if err := os.Remove(directory + "/c.pcapng"); err != nil {
		t.Fatal(err)
	}
	q.Drop(directory + "/c.pcapng")
	s.Start(t)
	labtest.Within(t, time.Minute, "all that is left is uploaded", func() bool { return q.Counts().Waiting == 0 })
	counts := q.Counts()
	if counts.Uploaded == 3 { // it was not under way when it was deleted
		delete(wanted, key("c.pcapng"))
	}
	if counts.Uploaded+counts.Dropped != 4 || counts.Uploaded < 3 || counts.Error != "" {
		t.Errorf("counts %+v", counts)
	}
	want(t, s.objects(t, o), wanted)
}

// The server is killed again and again in the middle of uploads.
func TestUploadServerIsKilled(t *testing.T) {
	s := newServer(t)
	o, directory := s.options(t), t.TempDir()
	o.RemoveLocal = true
	q := newQueue(t, o)
	wanted := make(map[string][]byte)
	for i := range 12 {
		name := string(rune('a'+i)) + ".pcapng"
		bytes := content(byte(i), 3*minPartSize+i*1000)
		q.Offer(write(t, directory, name, bytes), name)
		wanted[key(name)] = bytes
	}
	for kills := range 4 {
		time.Sleep(time.Duration(30+20*kills) * time.Millisecond)
		s.Kill()
		s.Start(t)
	}
	labtest.Within(t, time.Minute, "all are uploaded", func() bool { return q.Counts().Uploaded == 12 })
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, s.objects(t, o), wanted)
	if entries, err := os.ReadDir(directory); err != nil || len(entries) != 0 {
		t.Errorf("%d files are left: %v", len(entries), err)
	}
}

// A queue that ends in the middle of uploads is gone on with by the next one, and
// nothing half done is left in the store then.
func TestUploadGoesOn(t *testing.T) {
	s := newServer(t)
	o, directory := s.options(t), t.TempDir()
	q := newQueue(t, o)
	wanted := make(map[string][]byte)
	var paths []string
	for i := range 6 {
		name := string(rune('a'+i)) + ".pcapng"
		wanted[key(name)] = content(byte(i), 4*minPartSize)
		paths = append(paths, write(t, directory, name, wanted[key(name)]))
		q.Offer(paths[i], name)
	}
	time.Sleep(50 * time.Millisecond)
	q.cancel() // as when the grace is over
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	// One that is killed leaves a mark, by which the next gives its upload up.
	wanted[key("g.pcapng")] = content(7, 2*minPartSize)
	paths = append(paths, write(t, directory, "g.pcapng", wanted[key("g.pcapng")]))
	opened, err := os.Open(paths[6])
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	leaveUpload(t, o, opened, key("g.pcapng"))
	if s.leftUploads(t, o) == 0 {
		t.Error("no upload in parts is left, want the one that nobody gave up")
	}
	if attribute(paths[6], multipartAttribute) == "" {
		t.Skip("needs a file system with attributes")
	}
	next := newQueue(t, o)
	for i, path := range paths {
		next.Offer(path, string(rune('a'+i))+".pcapng")
	}
	labtest.Within(t, time.Minute, "all are uploaded", func() bool { return next.Counts().Waiting == 0 })
	want(t, s.objects(t, o), wanted)
	if left := s.leftUploads(t, o); left != 0 {
		t.Errorf("%d uploads in parts are left", left)
	}
}

// leaveUpload begins an upload in parts and leaves it, as a killed process does.
func leaveUpload(t *testing.T, o Options, file *os.File, key string) {
	t.Helper()
	store, err := newStore(o)
	if err != nil {
		t.Fatal(err)
	}
	begun, err := store.begin(t.Context(), &object{File: file, key: key})
	if err != nil || begun == "" {
		t.Fatal(err)
	}
}

func TestNumberedKeys(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"a/b.c/d.pcapng.zst": "a/b.c/d-2.pcapng.zst", "d": "d-2", "a.b/d": "a.b/d-2", "a/.d": "a/.d-2",
	} {
		if got := numbered(key, 2); got != want {
			t.Errorf("%s becomes %s, want %s", key, got, want)
		}
	}
}
