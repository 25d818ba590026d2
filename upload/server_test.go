package upload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

const bucket = "captures"

// server is a real store, and what the tests ask it.
type server struct{ *labtest.Store }

// newServer starts a server and makes the bucket.
func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{labtest.NewStore(t, "..")}
	s.Start(t)
	store, err := newStore(s.options(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &store.Bucket}); err != nil {
		t.Fatal(err)
	}
	return s
}

// options are those of a queue to the server.
func (s *server) options(t *testing.T) Options {
	return Options{
		Bucket: bucket, Endpoint: s.URL(), PathStyle: true, Parallel: 3, PartSize: minPartSize,
		Key: func(name string, ended time.Time) (string, error) { return ended.UTC().Format("2006/") + name, nil },
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// objects are what the bucket has, by key.
func (s *server) objects(t *testing.T, o Options) map[string][]byte {
	t.Helper()
	store, err := newStore(o)
	if err != nil {
		t.Fatal(err)
	}
	objects := make(map[string][]byte)
	pages := s3.NewListObjectsV2Paginator(store.client, &s3.ListObjectsV2Input{Bucket: &o.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, listed := range page.Contents {
			got, err := store.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &o.Bucket, Key: listed.Key})
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(got.Body)
			got.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			objects[*listed.Key] = content
		}
	}
	return objects
}

// leftUploads is how many uploads in parts the bucket has that were not completed.
func (s *server) leftUploads(t *testing.T, o Options) int {
	t.Helper()
	store, err := newStore(o)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := store.client.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &o.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(listed.Uploads)
}

// content is n bytes that differ from file to file.
func content(seed byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i>>7) + byte(i>>16) + seed
	}
	return b
}

func write(t *testing.T, directory, name string, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(directory, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func newQueue(t *testing.T, o Options) *Queue {
	t.Helper()
	q, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// want compares what the bucket has.
func want(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	for key, content := range want {
		if !bytes.Equal(got[key], content) {
			t.Errorf("object %s has %d bytes, want %d, or other bytes", key, len(got[key]), len(content))
		}
	}
	for key := range got {
		if want[key] == nil {
			t.Errorf("object %s is there: %d bytes", key, len(got[key]))
		}
	}
}

func key(name string) string { return fmt.Sprintf("%d/%s", time.Now().UTC().Year(), name) }
