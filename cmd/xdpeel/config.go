package main

import (
	"context"

	"github.com/spf13/pflag"
)

const configUsage = `usage: xdpeel config check FILE
       xdpeel config expand EXPRESSION
       xdpeel config expand --config FILE --filter NAME
       xdpeel config import-aws --sessions FILE --filters FILE [FLAGS]

Works on configuration files; needs no privileges and changes nothing that runs.

  check       says all that is wrong with a configuration, with line and column
  expand      prints the numbered rules that an expression or a filter comes to
  import-aws  writes a configuration from what the AWS CLI prints
`

// configVerbs are the words that follow `xdpeel config`.
var configVerbs = []verb{
	{"check", "say all that is wrong with a configuration", runConfigCheck},
	{"expand", "print the rules of an expression or a filter", runConfigExpand},
	{"import-aws", "write a configuration from AWS's JSON", runConfigImport},
}

func runConfig(ctx context.Context, env *environment, args []string) error {
	if len(args) == 0 {
		return hinted(usageErrorf("config: no word given"), "`xdpeel config --help` lists them")
	}
	for _, verb := range configVerbs {
		if verb.name == args[0] {
			return verb.run(ctx, env, args[1:])
		}
	}
	flags := pflag.NewFlagSet("config", pflag.ContinueOnError)
	if err := parseFlags(env.stdout, flags, configUsage, args); err != nil {
		return err
	}
	return hinted(usageErrorf("unknown word %q after config", args[0]), "`xdpeel config --help` lists them")
}
