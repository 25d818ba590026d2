package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// tunnelFlags are the flags that say what is the tunnel's.
type tunnelFlags struct {
	vxlanPorts, genevePorts portList
}

func (t *tunnelFlags) register(flags *pflag.FlagSet) {
	t.vxlanPorts, t.genevePorts = portList{4789}, portList{6081}
	flags.Var(&t.vxlanPorts, "vxlan-ports", "UDP ports of VXLAN, comma-separated; empty: none")
	flags.Var(&t.genevePorts, "geneve-ports", "UDP ports of GENEVE, comma-separated; empty: none")
}

// parseFlagsOnly parses the flags of a verb that takes nothing else.
func parseFlagsOnly(w io.Writer, flags *pflag.FlagSet, usage string, args []string) error {
	if err := parseFlags(w, flags, usage, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usageErrorf("%s takes no arguments, got %q", flags.Name(), flags.Arg(0))
	}
	return nil
}

// parseFlags parses the flags of a verb; usage is the head of its help. It returns
// errDone after --help, and a *usageError for what it does not know.
func parseFlags(w io.Writer, flags *pflag.FlagSet, usage string, args []string) error {
	flags.SortFlags = false
	flags.Usage = func() {}
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(w, usage)
		if described := flags.FlagUsages(); described != "" {
			fmt.Fprintf(w, "\nflags:\n%s", described)
		}
		return errDone
	}
	if err != nil {
		return hinted(&usageError{err}, "`xdpeel %s --help` tells the flags", flags.Name())
	}
	return nil
}

// parseMode reads --mode.
func parseMode(text string) (loader.Mode, error) {
	switch mode := loader.Mode(text); mode {
	case loader.ModeAuto, loader.ModeNative, loader.ModeGeneric:
		return mode, nil
	}
	return "", usageErrorf("--mode is auto, native or generic, not %q", text)
}

// maxSnapLength is tcpdump's: people write -s 262144 for "all".
const maxSnapLength = 262144

// judgeOptions turns flags into what a judge takes, all defaults filled in.
func judgeOptions(tunnel tunnelFlags, snapLength uint) (mirror.Options, error) {
	if snapLength > maxSnapLength {
		return mirror.Options{}, usageErrorf("-s %d: at most %d", snapLength, maxSnapLength)
	}
	o, err := mirror.Options{
		VXLANPorts: tunnel.vxlanPorts, GENEVEPorts: tunnel.genevePorts,
		SnapLength: min(int(snapLength), abi.LimitSnapLength),
	}.Complete()
	if err != nil {
		return o, &usageError{err}
	}
	return o, nil
}
