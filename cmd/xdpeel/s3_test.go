package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/xdpeel/xdpeel/loader"
)

// storeProcess is a real S3 server, versitygw, whose objects are files.
type storeProcess struct {
	directory, address, binary string
	command                    *exec.Cmd
}

func newStoreProcess(t *testing.T) *storeProcess {
	t.Helper()
	binaries, _ := filepath.Glob(filepath.Join("..", "..", "build", "versitygw-*"))
	if len(binaries) == 0 {
		t.Skip("needs versitygw: scripts/install-versitygw.sh")
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	s := &storeProcess{directory: t.TempDir(), address: free.Addr().String(), binary: binaries[0]}
	if err := os.Mkdir(filepath.Join(s.directory, "captures"), 0o755); err != nil { // a directory is a bucket
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

func (s *storeProcess) start(t *testing.T) {
	t.Helper()
	s.command = exec.Command(s.binary, "--port", s.address, "--region", "us-east-1", "posix", s.directory)
	s.command.Env = append(os.Environ(), "ROOT_ACCESS_KEY=tester", "ROOT_SECRET_KEY=not-a-secret")
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store answers", func() bool {
		answer, err := http.Get("http://" + s.address)
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
}

func (s *storeProcess) kill() {
	if s.command != nil {
		_ = s.command.Process.Kill()
		_ = s.command.Wait()
		s.command = nil
	}
}

// Files wait for a store that is down, come to it when it is up, those of an earlier
// daemon too, and each packet is in one object.
func TestFilesComeToTheStore(t *testing.T) {
	store := newStoreProcess(t)
	s := newOutputsUnderTest(t)
	keys := fmt.Sprintf("archive , rotate_size: 20KiB, s3: {bucket: captures, prefix: 'mirror/%%Y/', endpoint: 'http://%s', path_style: true, remove_local: true}", store.address)
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
	eventually(t, "files wait for the store", func() bool { waiting, _ := uploads(); return waiting > 5 })
	if err := s.close(); err != nil { // it does not wait for what is down
		t.Fatal(err)
	}
	store.start(t)
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
	objects, err := filepath.Glob(filepath.Join(store.directory, "captures", "mirror", "*", "archive*.pcapng"))
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
