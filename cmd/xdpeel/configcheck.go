package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/config"
)

const configCheckUsage = `usage: xdpeel config check FILE

Reads a configuration, and the AWS files that it names, and says all that is wrong
with it as FILE:LINE:COLUMN. Ends with status 1 if anything is.
`

func runConfigCheck(_ context.Context, env *environment, args []string) error {
	flags := pflag.NewFlagSet("config check", pflag.ContinueOnError)
	if err := parseFlags(env.stdout, flags, configCheckUsage, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return usageErrorf("config check takes one FILE, got %d", flags.NArg())
	}
	c, err := config.Load(flags.Arg(0), nil)
	if err != nil {
		return err
	}
	for _, note := range c.Notes {
		say(env.stderr, "note: %s", note)
	}
	_, err = fmt.Fprintf(env.stdout, "%s: ok, %s\n", flags.Arg(0), countConfig(c))
	return err
}

// countConfig says how much there is in a configuration.
func countConfig(c *config.Config) string {
	rules := 0
	for _, filter := range c.Filters {
		rules += len(filter.Ingress) + len(filter.Egress)
	}
	var words []string
	for _, part := range []struct {
		n    int
		noun string
	}{{len(c.Policy.Sessions), "session"}, {len(c.Filters), "filter"}, {rules, "rule"}, {len(c.Outputs), "output"}} {
		if part.n != 1 {
			part.noun += "s"
		}
		words = append(words, fmt.Sprintf("%d %s", part.n, part.noun))
	}
	return strings.Join(words, ", ")
}
