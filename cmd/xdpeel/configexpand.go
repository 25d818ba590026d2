package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/mirror/expression"
)

const configExpandUsage = `usage: xdpeel config expand EXPRESSION
       xdpeel config expand --config FILE --filter NAME

Prints the numbered rules that a tcpdump expression comes to, or those of a filter of
a configuration, however it is written. The first rule that matches a packet decides;
what none matches is not taken. "ip" is every IP packet, "any" every frame.

  xdpeel config expand tcp port 443 and not host 10.0.0.7
`

func runConfigExpand(_ context.Context, env *environment, args []string) error {
	var file, name string
	flags := pflag.NewFlagSet("config expand", pflag.ContinueOnError)
	flags.StringVar(&file, "config", "", "configuration `file` that has the filter")
	flags.StringVar(&name, "filter", "", "`name` of the filter")
	if err := parseFlags(env.stdout, flags, configExpandUsage, args); err != nil {
		return err
	}
	switch {
	case (file == "") != (name == ""):
		return usageErrorf("--config and --filter go together")
	case file != "" && flags.NArg() > 0:
		return usageErrorf("config expand takes an expression or a filter, not both")
	case file != "":
		return expandFilter(env, file, name)
	case flags.NArg() == 0:
		return usageErrorf("config expand needs an EXPRESSION, or --config FILE and --filter NAME")
	}
	rules, err := expression.Compile(strings.Join(flags.Args(), " "))
	if err != nil {
		return &usageError{err}
	}
	_, err = fmt.Fprint(env.stdout, expression.Format(rules))
	return err
}

func expandFilter(env *environment, file, name string) error {
	c, err := config.Load(file, nil)
	if err != nil {
		return err
	}
	filter, ok := c.Filters[name]
	if !ok {
		return fmt.Errorf("filter %q is not in %s; it has %q", name, file, slices.Sorted(maps.Keys(c.Filters)))
	}
	_, err = fmt.Fprintf(env.stdout, "ingress:\n%segress:\n%s", expression.Format(filter.Ingress), expression.Format(filter.Egress))
	return err
}
