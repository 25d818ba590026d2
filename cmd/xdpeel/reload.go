package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/pflag"
)

const reloadUsage = `usage: xdpeel reload [--control SOCKET]

Has a running daemon read its configuration again, and waits until that is in effect
or refused. Ends with status 1 and the daemon's complaints if it is refused, which
changes nothing. The daemon listens where its own --control says, for its user and root.
`

func runReload(ctx context.Context, env *environment, args []string) error {
	flags := pflag.NewFlagSet("reload", pflag.ContinueOnError)
	path := flags.String("control", defaultControl, "the daemon's unix `socket`, as it was given to xdpeel run")
	if err := parseFlagsOnly(env.stdout, flags, reloadUsage, args); err != nil {
		return err
	}
	answer, err := askReload(ctx, *path)
	if err != nil {
		return hinted(fmt.Errorf("ask the daemon at %s: %w", *path, err), "is `xdpeel run --control %s` running on this host? SIGHUP reloads one without --control", *path)
	}
	if answer.Error != "" {
		return hinted(errors.New(answer.Error), "%s", answer.Hint)
	}
	_, err = fmt.Fprintln(env.stdout, answer.Summary)
	return err
}

// askReload asks a daemon to reload, and waits for as long as that takes.
func askReload(ctx context.Context, path string) (answer reloadAnswer, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return answer, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(conn, reloadRequest); err != nil {
		return answer, err
	}
	if err = json.NewDecoder(conn).Decode(&answer); errors.Is(err, io.EOF) {
		err = errors.New("it ended before it had an answer")
	}
	return answer, err
}
