package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// runningDaemon is `xdpeel run` that goes on beside the test.
type runningDaemon struct {
	*running
	wire    *wire
	dir     string // of its configuration and outputs
	hangups chan os.Signal
	runtime string // directory of its sockets, "" for the one of all
	control string // socket of `xdpeel reload`, "" for none
	url     string
}

// daemonConfig is a configuration whose sessions, filters and outputs are the
// given ones; DIR in them is where the outputs are.
func daemonConfig(rest string) string {
	return "interfaces: [far]\non_exit: detach\nhttp: 127.0.0.1:0\n" + rest
}

// run starts `xdpeel run` at the far end and returns when it captures.
func (w *wire) run(t *testing.T, rest string) *runningDaemon {
	t.Helper()
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.start(t, daemonConfig(rest))
	return d
}

func (d *runningDaemon) start(t *testing.T, text string) {
	t.Helper()
	d.hangups = make(chan os.Signal, 1)
	d.write(t, text)
	env := &environment{stdout: io.Discard, runtime: d.runtime, hangups: func() <-chan os.Signal { return d.hangups }}
	d.running = d.wire.launch(t, env, "run", "--config", d.path("xdpeel.yaml"), "--ledger", d.path("ledger.json"), "--control", d.control)
	d.await("msg=listening")
	d.url = d.at("http")
}

func (d *runningDaemon) path(name string) string { return filepath.Join(d.dir, name) }

func (d *runningDaemon) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(d.path("xdpeel.yaml"), []byte(strings.ReplaceAll(text, "DIR", d.dir)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reload has the daemon read another configuration, and returns when it has said the words.
func (d *runningDaemon) reload(t *testing.T, rest, words string) {
	t.Helper()
	before := strings.Count(d.stderr.String(), words)
	d.write(t, daemonConfig(rest))
	d.hangups <- syscall.SIGHUP
	labtest.Eventually(t, "daemon says "+words, func() bool { return strings.Count(d.stderr.String(), words) > before })
}

// dial reaches the daemon from outside its namespace.
func (d *runningDaemon) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	doErr := d.wire.far.Namespace.Do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return nil
	})
	return conn, errors.Join(err, doErr)
}

// get asks one of the daemon's pages.
func (d *runningDaemon) get(t *testing.T, path string) (status int, text string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: d.dial, DisableKeepAlives: true}, Timeout: labtest.Patience}
	response, err := client.Get(d.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// status runs `xdpeel status`.
func (d *runningDaemon) status(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	env := &environment{stdout: &stdout, stderr: &stderr, dial: d.dial}
	if status := execute(t.Context(), env, append([]string{"status", "--url", d.url}, args...)); status != 0 {
		t.Fatalf("xdpeel status: status %d, said %q", status, stderr.String())
	}
	return stdout.String()
}

// statusLedger is what `xdpeel status --json` prints.
func (d *runningDaemon) statusLedger(t *testing.T) (ledger ledgerJSON) {
	t.Helper()
	if err := json.Unmarshal([]byte(d.status(t, "--json")), &ledger); err != nil {
		t.Fatal(err)
	}
	return ledger
}

// finish ends the daemon as SIGTERM does and returns its ledger.
func (d *runningDaemon) finish(t *testing.T) ledgerJSON {
	t.Helper()
	d.stop()
	d.end(0)
	return readLedger(t, d.path("ledger.json"))
}
