package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/loader"
)

const detachUsage = `usage: xdpeel detach -i IFACE [--pins DIR]

Takes xdpeel's program off an interface, whichever process put it there or left it
there; a capture that runs on it ends. Its pins and the veths that it fed go with
it, also if the program, or the interface, is gone already. A program that is not
xdpeel's is left alone.
`

func runDetach(_ context.Context, env *environment, args []string) error {
	flags := pflag.NewFlagSet("detach", pflag.ContinueOnError)
	iface := flags.StringP("interface", "i", "", "`interface` to take the program off")
	pins := flags.String("pins", config.DefaultPins, "`directory` of pins, as in the configuration of a daemon")
	if err := parseFlagsOnly(env.stdout, flags, detachUsage, args); err != nil {
		return err
	}
	if *iface == "" {
		return usageErrorf("no interface given: -i IFACE")
	}
	holder, err := loader.Detach(*iface, *pins)
	if gone := errors.Is(err, loader.ErrNoInterface); gone || err == nil && (holder == nil || !holder.Ours) {
		left, forgetErr := forgetLeft(env, *iface, *pins)
		if forgetErr != nil || left && gone {
			return forgetErr
		}
	}
	switch {
	case err != nil:
		return explainLoader(err)
	case holder == nil:
		say(env.stderr, "%s carries no XDP program", *iface)
	case !holder.Ours:
		say(env.stderr, "%s carries the XDP program %q (id %d), which is not xdpeel's: left alone", *iface, holder.Name, holder.ID)
	default:
		say(env.stderr, "took program %d off %s", holder.ID, *iface)
	}
	return nil
}

// forgetLeft removes what is left where the program is not there any more. What a daemon
// that runs has pinned is its own.
func forgetLeft(env *environment, iface, pins string) (left bool, err error) {
	left, err = loader.Forget(iface, pins)
	if errors.Is(err, loader.ErrPinsInUse) {
		return false, nil
	}
	if left && err == nil {
		say(env.stderr, "removed what an ended daemon had left of %s: pins, and the veths that it fed", iface)
	}
	return left, err
}
