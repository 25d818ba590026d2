package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/config"
)

const runUsage = `usage: xdpeel run [FLAGS]

The daemon: takes mirrored packets off the interfaces of a configuration, judges
them by its sessions, and writes them to its outputs. It answers on /status,
/metrics, /healthz and /readyz, by default of http://127.0.0.1:9478.

SIGHUP makes it read the configuration again, and so does xdpeel reload, which waits
for the outcome. A good one takes effect between two packets; a bad one changes
nothing, is logged, and shows in xdpeel status. SIGTERM ends it, after the time of
drain: what was captured is written, and the ledger printed on stderr.

  xdpeel run
  xdpeel run --config ./xdpeel.yaml
`

const defaultConfig = "/etc/xdpeel/xdpeel.yaml"

// runOptions is what the command line of the daemon says.
type runOptions struct {
	path      string // of the configuration
	ledger    string
	control   string // socket of `xdpeel reload`; "": none
	webConfig string // of TLS and passwords for the pages; "": neither
	log       *slog.Logger
}

func runRun(ctx context.Context, env *environment, args []string) error {
	var o runOptions
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	flags.StringVar(&o.path, "config", defaultConfig, "configuration `file`")
	flags.StringVar(&o.ledger, "ledger", "", "write the ledger as JSON to this `file` in the end; - is stdout")
	flags.StringVar(&o.control, "control", "", "unix `socket` on which to listen for xdpeel reload; none without")
	flags.StringVar(&o.webConfig, "web.config.file", "", "`file` with TLS and passwords of the pages, as Prometheus's exporters have it")
	var logging logFlags
	logging.register(flags)
	if err := parseFlagsOnly(env.stdout, flags, runUsage, args); err != nil {
		return err
	}
	var err error
	if o.log, err = logging.logger(env.stderr); err != nil {
		return err
	}
	c, err := loadRunnable(o.path, nil)
	if err != nil {
		return err
	}
	return runDaemon(ctx, env, o, c)
}

// loadRunnable reads a configuration that a daemon can run by. slots are those of the
// outputs there are; see config.Load.
func loadRunnable(path string, slots map[string]int) (*config.Config, error) {
	c, err := config.Load(path, slots)
	if err != nil {
		return nil, err
	}
	if len(c.Interfaces) == 0 {
		return nil, fmt.Errorf("%s: no interfaces: name those where mirrored packets arrive", path)
	}
	return c, nil
}
