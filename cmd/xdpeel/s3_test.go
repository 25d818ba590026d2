package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/loader"
)

// Files wait for a store that is down, come to it when it is up, those of an earlier
// daemon too, and each packet is in one object.
func TestFilesComeToTheStore(t *testing.T) {
	store := labtest.NewStore(t, "../..")
	if err := os.Mkdir(filepath.Join(store.Directory, "captures"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := newOutputsUnderTest(t)
	keys := fmt.Sprintf("archive , rotate_size: 20KiB, s3: {bucket: captures, prefix: 'mirror/%%Y/', endpoint: '%s', path_style: true, remove_local: true}", store.URL())
	s.change(s.parse(keys), new(loader.SlotAccounts))
	for range 20 {
		s.give(packets(100, 0))
	}
	uploads := func() (waiting, uploaded uint64) {
		files := s.readings()["archive"].Files
		text, err := json.Marshal(files)
		if err != nil || files.Uploads == nil {
			t.Fatalf("files %s: %v", text, err)
		}
		return files.Uploads.Waiting, files.Uploads.Uploaded
	}
	labtest.Eventually(t, "files wait for the store", func() bool { waiting, _ := uploads(); return waiting > 5 })
	if err := s.close(); err != nil { // it does not wait for what is down
		t.Fatal(err)
	}
	store.Start(t)
	next := newOutputsUnderTest(t)
	next.dir = s.dir
	next.change(next.parse(keys), new(loader.SlotAccounts))
	for range 20 {
		next.give(packets(100, 0))
	}
	if err := next.close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 0 {
		t.Errorf("%d files are left: %v", len(left), err)
	}
	objects, err := filepath.Glob(filepath.Join(store.Directory, "captures", "mirror", "*", "archive*.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, object := range objects {
		n += len(readFrames(t, object))
	}
	if n != 4000 {
		t.Errorf("%d packets in %d objects, want 4000", n, len(objects))
	}
}
