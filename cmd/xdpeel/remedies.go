package main

import (
	"errors"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// explainLoader adds the remedy to what the loader cannot do.
func explainLoader(err error) error {
	var capability *loader.CapabilityError
	if errors.As(err, &capability) {
		return hinted(err, "run it as root, or grant all that it needs: %s", capability.Grant())
	}
	var occupied *loader.OccupiedError
	if errors.As(err, &occupied) {
		return hinted(err, "%s", occupiedRemedy(occupied))
	}
	var refused *loader.RefusedError
	if errors.As(err, &refused) {
		for _, refusal := range refused.Refusals {
			if refusal.Remedy != "" {
				return hinted(err, "%s", refusal.Remedy)
			}
		}
		return hinted(err, "`--mode generic` works on any interface, if slower")
	}
	if errors.Is(err, loader.ErrPinsInUse) {
		return hinted(err, "another xdpeel runs on these interfaces: end it first")
	}
	if errors.Is(err, loader.ErrNoPins) {
		return hinted(err, "mount -t bpf bpf /sys/fs/bpf, or `on_exit: detach`, which needs none")
	}
	if errors.Is(err, loader.ErrHelperGone) {
		return hinted(err, "%s", helperRemedy)
	}
	if errors.Is(err, loader.ErrNoInterface) {
		return hinted(err, "`ip -br link` lists the interfaces of this network namespace")
	}
	return err
}

func occupiedRemedy(occupied *loader.OccupiedError) string {
	if occupied.Holder.Ours {
		return "another xdpeel captures there. If it is the daemon, an output of type socket in its configuration lets `xdpeel capture` read along; `xdpeel detach -i " + occupied.Interface + "` would end it"
	}
	return "only who put it there should take it off: `bpftool net show dev " + occupied.Interface + "` tells more"
}

// explainOutput adds the remedy to an output that takes no more, or cannot be opened.
func explainOutput(err error) error { return explainBounded(err, "limit the files with -C and -W") }

// explainKept is explainOutput of the daemon, whose files the configuration bounds.
func explainKept(err error) error {
	return explainBounded(err, "bound the output's files with keep_size, keep_files or keep_free")
}

func explainBounded(err error, bound string) error {
	if failure := (*export.WriteError)(nil); errors.As(err, &failure) && failure.Loss == mirror.LossDiskFull {
		return hinted(err, "the file is whole up to the last packet that fitted; free some space, or %s", bound)
	}
	return explainLoader(err)
}
