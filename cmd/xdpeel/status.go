package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

const statusUsage = `usage: xdpeel status [FLAGS]

Asks a running daemon what it does: what became of every frame, what each output
lost and why, which sessions are busy, who mirrors without being configured, and
whether the configuration in the file is the one in effect.

  xdpeel status
  xdpeel status --json | jq .outcomes
`

// statusPatience is how long a daemon may take to answer.
const statusPatience = 10 * time.Second

func runStatus(ctx context.Context, env *environment, args []string) error {
	var url, ca string
	var asJSON bool
	flags := pflag.NewFlagSet("status", pflag.ContinueOnError)
	flags.BoolVar(&asJSON, "json", false, "print what the daemon answers, the ledger's JSON and more")
	flags.StringVar(&url, "url", "http://127.0.0.1:9478", "`address` of the daemon, http: in its configuration; a password as https://user:password@...")
	flags.StringVar(&ca, "ca", "", "`file` of certificates that the daemon's is to be signed by; the system's")
	if err := parseFlagsOnly(env.stdout, flags, statusUsage, args); err != nil {
		return err
	}
	trusted, err := readCertificates(ca)
	if err != nil {
		return err
	}
	text, err := askDaemon(ctx, env, strings.TrimSuffix(url, "/")+"/status", trusted)
	if err != nil {
		return err
	}
	if asJSON {
		_, err = env.stdout.Write(text)
		return err
	}
	ledger, state, err := readStatus(text)
	if err != nil {
		return fmt.Errorf("understand %s: %w", url, err)
	}
	printStatus(env.stdout, ledger, state, time.Now())
	return nil
}

// readCertificates returns those in a file, nil for those of the system.
func readCertificates(path string) (*tls.Config, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read certificates: %s has none", path)
	}
	return &tls.Config{RootCAs: pool}, nil
}

func askDaemon(ctx context.Context, env *environment, url string, trusted *tls.Config) ([]byte, error) {
	client := &http.Client{Timeout: statusPatience, Transport: &http.Transport{DialContext: env.dial, DisableKeepAlives: true, TLSClientConfig: trusted}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, &usageError{err}
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, explainAsking(fmt.Errorf("ask the daemon: %w", err), 0)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	if err != nil {
		return nil, explainAsking(fmt.Errorf("ask the daemon at %s: %w", request.URL.Redacted(), err), response.StatusCode)
	}
	return text, nil
}

// explainAsking adds the remedy to a question that was not answered, or with a status.
func explainAsking(err error, status int) error {
	switch {
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return hinted(err, "--ca names a file with the certificate that signed the daemon's; --url has to name the daemon as its certificate does")
	case status == http.StatusUnauthorized:
		return hinted(err, "the daemon asks for a name and a password: --url https://NAME:PASSWORD@ADDRESS:PORT")
	case status == http.StatusBadRequest:
		return hinted(err, "a daemon with --web.config.file may speak TLS alone: --url https://...")
	}
	return hinted(err, "is `xdpeel run` running on this host? --url names another address")
}

// printStatus says for a person what a daemon does. What is wrong comes first.
func printStatus(w io.Writer, ledger *mirror.Ledger, state *daemonForm, now time.Time) {
	fmt.Fprintf(w, "configuration %s, generation %d, in effect since %s\n",
		state.Config.Path, state.Config.Generation, state.Config.LoadedAt.Local().Format(time.DateTime))
	if reload := state.Config.LastReload; reload != nil && !reload.OK {
		fmt.Fprintf(w, "RELOAD FAILED at %s, and changed nothing:\n", reload.At.Local().Format(time.DateTime))
		for line := range strings.SplitSeq(reload.Error, "\n") {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	if state.HelperGone {
		fmt.Fprintln(w, "HELPER GONE: no reload can succeed, and no veth be made anew; packets go on. "+helperRemedy)
	}
	for _, i := range state.Interfaces {
		if !i.Attached {
			fmt.Fprintf(w, "NOT ATTACHED to %s\n", i.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(state.Failing)) {
		fmt.Fprintf(w, "OUTPUT %q takes no packets: %s\n", name, state.Failing[name])
	}
	for _, name := range slices.Sorted(maps.Keys(state.Files)) {
		printFiles(w, name, state.Files[name])
	}
	printLedger(w, ledger, now)
	if strangers := ledger.BusiestStrangers(); len(strangers) > 0 {
		busiest := strangers[0]
		hint := fmt.Sprintf("add {vni: %d, source: %s} to its sessions", busiest.Session.VNI, busiest.Session.Source)
		if busiest.Denied > 0 {
			hint = fmt.Sprintf("its allow_sources has to hold %s", busiest.Session.Source)
		}
		fmt.Fprintf(w, "to take what %s mirrors: %s\n", busiest.Session.Source, hint)
	}
}

// printFiles says what is wrong with the files of an output, and how uploads do.
func printFiles(w io.Writer, name string, files *export.FilesReading) {
	for _, wrong := range []struct {
		n    uint64
		what string
	}{
		{files.Damaged, "FILES of %q damaged, since the disk did not take them: %d\n"},
		{files.CommandsFailed, "COMMANDS for files of %q failed: %d\n"},
	} {
		if wrong.n > 0 {
			fmt.Fprintf(w, wrong.what, name, wrong.n)
		}
	}
	uploads := files.Uploads
	if uploads == nil {
		return
	}
	if uploads.Error != "" {
		fmt.Fprintf(w, "UPLOADS of %q fail: %s\n", name, uploads.Error)
	}
	if uploads.Dropped > 0 {
		fmt.Fprintf(w, "FILES of %q deleted before the store had them: %d\n", name, uploads.Dropped)
	}
	fmt.Fprintf(w, "uploads of %q: %d done, %d wait (%d bytes)\n", name, uploads.Uploaded, uploads.Waiting, uploads.WaitingBytes)
}

// readStatus reads what /status answers.
func readStatus(text []byte) (*mirror.Ledger, *daemonForm, error) {
	var form ledgerForm
	state := new(daemonForm)
	for _, part := range []any{&form, state} {
		if err := json.Unmarshal(text, part); err != nil {
			return nil, nil, fmt.Errorf("read status: %w", err)
		}
	}
	return form.ledger(), state, nil
}
