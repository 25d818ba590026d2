package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/loader"
)

// Set by the Makefile; a build by `go install` takes them from the module.
var version, commit string

const versionUsage = "usage: xdpeel version\n"

func runVersion(_ context.Context, env *environment, args []string) error {
	flags := pflag.NewFlagSet("version", pflag.ContinueOnError)
	if err := parseFlagsOnly(env.stdout, flags, versionUsage, args); err != nil {
		return err
	}
	compiler, err := loader.Compiler()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "xdpeel %s\ncommit %s\n%s %s/%s\nkernel object by %s\n",
		versionOf(), commitOf(), runtime.Version(), runtime.GOOS, runtime.GOARCH, compiler)
	return err
}

func versionOf() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func commitOf() string {
	if commit != "" {
		return commit
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "unknown"
}
