package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// running is a command line that goes on beside the test.
type running struct {
	t      *testing.T
	stderr *lab.Transcript
	stop   context.CancelFunc // what a signal does
	status chan int
}

// start starts `xdpeel capture -i far ARGS` and returns when it listens.
func (w *wire) start(t *testing.T, stdout io.Writer, args ...string) *running {
	t.Helper()
	r := w.launch(t, &environment{stdout: stdout}, append([]string{"capture", "-i", w.far.Name}, args...)...)
	r.await("listening on")
	return r
}

// launch starts a command line at the far end.
func (w *wire) launch(t *testing.T, env *environment, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{t: t, stderr: new(lab.Transcript), stop: stop, status: make(chan int, 1)}
	env.stdin, env.stderr = strings.NewReader(""), r.stderr
	go func() {
		status := -1
		err := w.far.Namespace.Do(func() error {
			status = execute(ctx, env, args)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		r.status <- status
	}()
	return r
}

// await waits until the capture has said something.
func (r *running) await(words string) {
	r.t.Helper()
	for deadline := time.Now().Add(labtest.Patience); ; time.Sleep(time.Millisecond) {
		ended := len(r.status) > 0
		if strings.Contains(r.stderr.String(), words) {
			return
		}
		if ended || time.Now().After(deadline) {
			r.t.Fatalf("xdpeel does not say %q, but %q", words, r.stderr)
		}
	}
}

// end waits for the capture to end by itself.
func (r *running) end(want int) {
	r.t.Helper()
	select {
	case status := <-r.status:
		if status != want {
			r.t.Errorf("status %d, want %d; said %q", status, want, r.stderr)
		}
	case <-time.After(labtest.Patience):
		r.t.Fatalf("xdpeel does not end; said %q", r.stderr)
	}
}

// at returns the address of a daemon that a key of its configuration sets.
func (r *running) at(key string) string {
	r.t.Helper()
	found := regexp.MustCompile(key + `=(https?://\S+)`).FindStringSubmatch(r.stderr.String())
	if found == nil {
		r.t.Fatalf("no address of %s in %s", key, r.stderr)
	}
	return found[1]
}
