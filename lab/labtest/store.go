package labtest

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The credentials of a Store, which are in the environment of its test.
const (
	accessKey = "tester"
	secretKey = "not-a-secret"
)

// Store is a real S3 store: versitygw, which keeps objects as files.
type Store struct {
	Directory string // each of its directories is a bucket
	address   string // host and port

	binary  string
	command *exec.Cmd
}

// NewStore returns a store that is not started yet. root is the way to the
// repository's root, where scripts/install-versitygw.sh has put the program.
func NewStore(t testing.TB, root string) *Store {
	t.Helper()
	binaries, _ := filepath.Glob(filepath.Join(root, "build", "versitygw-*"))
	if len(binaries) == 0 {
		t.Skip("needs versitygw: scripts/install-versitygw.sh")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	s := &Store{Directory: t.TempDir(), address: free.Addr().String(), binary: binaries[0]}
	t.Cleanup(s.Kill)
	return s
}

// URL is where the store is asked.
func (s *Store) URL() string { return "http://" + s.address }

// Start starts the store and waits until it answers. It is killed with the test.
func (s *Store) Start(t testing.TB) {
	t.Helper()
	s.command = exec.Command(s.binary, "--port", s.address, "--region", "us-east-1", "posix", s.Directory)
	s.command.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	Within(t, time.Minute, "the store answers", func() bool {
		answer, err := http.Get(s.URL())
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
}

// Kill kills the store, if it runs. Start starts it again, with what it has.
func (s *Store) Kill() {
	if s.command != nil {
		_ = s.command.Process.Kill()
		_ = s.command.Wait()
		s.command = nil
	}
}
