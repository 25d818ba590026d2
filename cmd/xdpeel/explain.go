package main

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/config"
)

const explainUsage = `usage: xdpeel explain [--config FILE] -r CAPTURE [-n N] [--brief]
       xdpeel explain [--config FILE] --vni N --from ADDR --proto P --src ADDR[:PORT] --dst ADDR[:PORT]

Says of a mirrored packet which session of a configuration it belongs to and why,
which way it went and how that was told, which rule of the filter decides, whether
sampling keeps it, and who gets it: of every packet in a capture of mirrored ones,
or of one that is described. Touches nothing and needs no privileges.

  xdpeel explain -r mirrored.pcap --brief
  xdpeel explain --vni 12345 --from 10.0.12.59 --proto tcp --src 198.51.100.7:40000 --dst 10.0.12.59:443
`

// explainOptions is what the command line of an explanation says.
type explainOptions struct {
	config  string
	capture string
	number  int // of the frame in the capture, 0: all
	brief   bool
	tuple   tupleFlags
}

func runExplain(ctx context.Context, env *environment, args []string) error {
	var o explainOptions
	flags := pflag.NewFlagSet("explain", pflag.ContinueOnError)
	flags.StringVar(&o.config, "config", defaultConfig, "configuration `file`")
	flags.StringVarP(&o.capture, "read", "r", "", "capture `file` of mirrored packets, as they arrive; - is stdin")
	flags.IntVarP(&o.number, "number", "n", 0, "explain only frame `n` of the capture, from 1")
	flags.BoolVar(&o.brief, "brief", false, "a line a packet")
	o.tuple.register(flags)
	if err := parseFlagsOnly(env.stdout, flags, explainUsage, args); err != nil {
		return err
	}
	if flags.Changed("number") && o.number < 1 {
		return usageErrorf("-n %d: frames are numbered from 1", o.number)
	}
	isTuple := o.tuple.isGiven(flags)
	if isTuple == (o.capture != "") {
		return usageErrorf("explain needs a packet: -r CAPTURE, or --vni, --from, --proto, --src and --dst")
	}
	var asked question
	if isTuple {
		var err error
		if asked, err = o.tuple.question(flags); err != nil {
			return err
		}
	}
	c, err := config.Load(o.config, nil)
	if err != nil {
		return err
	}
	e := &explainer{config: c, out: env.stdout, brief: o.brief}
	if isTuple {
		return e.explain(asked, abi.OutcomeMax)
	}
	return explainCapture(ctx, env, o, e)
}

// explainCapture explains the frames of a capture.
func explainCapture(ctx context.Context, env *environment, o explainOptions, e *explainer) error {
	in, name, err := openInput(ctx, env, o.capture, func() error { return nil })
	if err != nil {
		return err
	}
	defer in.Close()
	w, err := newWitness(in, name, e.config)
	if err != nil {
		return err
	}
	if err := w.explainAll(o.number, e); isNormalEnd(err) {
		return nil // who reads what is said has had enough
	} else if err != nil {
		return err
	}
	if w.others > 0 {
		say(env.stderr, "%d frames are not mirrored packets", w.others)
	}
	if o.number > w.number {
		return fmt.Errorf("read %s: there is no frame %d, the last is %d", name, o.number, w.number)
	}
	return nil
}
