package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/mirror/aws"
)

const configImportUsage = `usage: xdpeel config import-aws --sessions FILE --filters FILE [FLAGS]

Writes a configuration from what the AWS CLI prints: every mirror session with its
VNI and packet length, and its filter as rules. With the network interfaces also the
sources, which tell apart sessions that share a VNI, and MAC addresses, which tell
the direction of packets. The same input gives the same configuration.

  aws ec2 describe-traffic-mirror-sessions --output json > sessions.json
  aws ec2 describe-traffic-mirror-filters --output json > filters.json
  aws ec2 describe-network-interfaces --output json > interfaces.json
  xdpeel config import-aws --sessions sessions.json --filters filters.json \
      --interfaces interfaces.json -o xdpeel.yaml
`

// importFlags are the files of an import.
type importFlags struct {
	sessions, filters, interfaces, output string
}

func runConfigImport(_ context.Context, env *environment, args []string) error {
	var o importFlags
	flags := pflag.NewFlagSet("config import-aws", pflag.ContinueOnError)
	flags.StringVar(&o.sessions, "sessions", "", "`file` of describe-traffic-mirror-sessions")
	flags.StringVar(&o.filters, "filters", "", "`file` of describe-traffic-mirror-filters")
	flags.StringVar(&o.interfaces, "interfaces", "", "`file` of describe-network-interfaces")
	flags.StringVarP(&o.output, "output", "o", "-", "configuration `file` to write; - is stdout; an existing file is not overwritten")
	if err := parseFlagsOnly(env.stdout, flags, configImportUsage, args); err != nil {
		return err
	}
	if o.sessions == "" || o.filters == "" {
		return usageErrorf("config import-aws needs --sessions FILE and --filters FILE")
	}
	text, notes, err := importAWS(o)
	if err != nil {
		return err
	}
	for _, note := range notes {
		say(env.stderr, "note: %s", note)
	}
	return writeNew(env, o.output, text)
}

func importAWS(o importFlags) (text []byte, notes []string, err error) {
	sessions, err := readJSON(o.sessions, aws.ReadSessions)
	if err != nil {
		return nil, nil, err
	}
	filters, err := readJSON(o.filters, aws.ReadFilters)
	if err != nil {
		return nil, nil, err
	}
	var interfaces map[string]aws.Interface
	if o.interfaces != "" {
		if interfaces, err = readJSON(o.interfaces, aws.ReadInterfaces); err != nil {
			return nil, nil, err
		}
	}
	return config.FromAWS(sessions, filters, interfaces)
}

// readJSON reads a file with one of aws's readers.
func readJSON[T any](path string, read func(io.Reader) (T, error)) (T, error) {
	var nothing T
	in, err := os.Open(path)
	if err != nil {
		return nothing, fmt.Errorf("read json: %w", err)
	}
	defer in.Close()
	list, err := read(in)
	if err != nil {
		return nothing, fmt.Errorf("read %s: %w", path, err)
	}
	return list, nil
}

// writeNew writes a file that is not there yet, or stdout.
func writeNew(env *environment, path string, text []byte) error {
	if path == "-" {
		_, err := env.stdout.Write(text)
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return hinted(fmt.Errorf("write configuration: %w", err), "nothing is overwritten: name another file, and compare the two")
	}
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	_, err = out.Write(text)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}
