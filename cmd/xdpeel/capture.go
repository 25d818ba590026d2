package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

const captureUsage = `usage: xdpeel capture -i IFACE [FLAGS] [FILTER]

Takes mirrored packets off an interface, strips them, and prints the inner packets
a line each, or writes them as pcapng with -w. Captured packets are consumed: the
host sees them no more, nor those that FILTER, a tcpdump expression over the inner
packet, does not take. Everything else passes untouched. Ends at -c packets, at a
signal, or when the interface goes away, and prints the ledger on stderr.

Where a daemon captures from the interface and has an output of type socket, the
capture reads along with it: of what the daemon delivers there, it takes what FILTER,
--vni and -s say, and the daemon's other outputs have all the same.

  xdpeel capture -i ens5 -c 20
  xdpeel capture -i ens5 tcp port 443 and not net 10.0.0.0/8
  xdpeel capture -i ens5 --vni 12345 -w - | wireshark -k -i -
  xdpeel capture -i ens5 -w '/data/%Y%m%d-%H%M%S.pcapng' -G 300 -s 256
`

// captureOptions is what the command line of a capture says.
type captureOptions struct {
	iface  string
	mode   loader.Mode
	count  uint64 // packets to capture, 0: no limit
	judge  mirror.Options
	policy *mirror.Policy
	what   string // policy takes, for a person
	output outputFlags

	// Of a capture that reads along with a daemon.
	socket     string // that is read instead of the interface; "": the daemon's of the interface, if there is one
	wish       wish
	fixed      string // a flag that was given and is for the daemon to decide, "" if none was
	unreadable error  // why no daemon can be read; nil: it was not tried

	ready func()                        // called once packets are captured; may be nil
	wrap  func(export.Sink) export.Sink // put around the output; may be nil
}

func runCapture(ctx context.Context, env *environment, args []string) error {
	o, err := parseCapture(env, args)
	if err != nil {
		return err
	}
	conn, err := dialDaemon(env, o)
	if err != nil {
		return err
	}
	if conn != nil {
		return join(ctx, env, o, conn)
	}
	return explainUnreadable(capture(ctx, env, o), o)
}

func parseCapture(env *environment, args []string) (*captureOptions, error) {
	o := new(captureOptions)
	var tunnel tunnelFlags
	var vnis vniList
	var snapLength uint
	var mode string
	flags := pflag.NewFlagSet("capture", pflag.ContinueOnError)
	flags.StringVarP(&o.iface, "interface", "i", "", "`interface` to capture from")
	flags.StringVarP(&o.output.path, "write", "w", "", "write pcapng to this `file`; - is stdout, strftime conversions are expanded")
	flags.Uint64VarP(&o.count, "count", "c", 0, "end after `n` packets")
	flags.UintVarP(&snapLength, "snaplen", "s", 0, "keep this many `bytes` of an inner packet, at least 14; 0: all")
	o.output.registerRotation(flags)
	flags.Var(&vnis, "vni", "take only this VNI, 0 to 16777215; repeatable")
	flags.StringVar(&o.socket, "socket", "", "read along with the daemon that listens on this unix `socket`")
	flags.StringVar(&mode, "mode", string(loader.ModeAuto), "`mode` of attaching: auto, native or generic")
	tunnel.register(flags)
	o.output.registerLedger(flags)
	if err := parseFlags(env.stdout, flags, captureUsage, args); err != nil {
		return nil, err
	}
	if o.iface == "" {
		o.iface = o.socket
	}
	if o.iface == "" {
		return nil, hinted(usageErrorf("no interface given: -i IFACE"), "`ip -br link` lists them")
	}
	if flags.Changed("count") && o.count == 0 {
		return nil, usageErrorf("-c 0 captures nothing")
	}
	for _, name := range []string{"mode", "vxlan-ports", "geneve-ports"} {
		if flags.Changed(name) {
			o.fixed = "--" + name
		}
	}
	o.wish = wish{Filter: strings.Join(flags.Args(), " "), VNIs: vnis, SnapLength: int(snapLength)}
	var err error
	if o.mode, err = parseMode(mode); err != nil {
		return nil, err
	}
	if o.judge, err = judgeOptions(tunnel, snapLength); err != nil {
		return nil, err
	}
	if err := o.want(vnis, flags.Args()); err != nil {
		return nil, err
	}
	o.output.live = true
	return o, o.output.check(env)
}

// want makes the policy of --vni and FILTER.
func (o *captureOptions) want(vnis vniList, words []string) error {
	filter, err := filterOf(words)
	if err != nil {
		return err
	}
	o.what = "all VNIs"
	if len(vnis) > 0 {
		o.what = "VNI " + vnis.String()
	}
	if filter != nil {
		o.what += ", filter " + strconv.Quote(strings.Join(words, " "))
	}
	o.policy, err = takePolicy(vnis, filter)
	return err
}

// announce says where and how packets are captured, and why not better.
func announce(env *environment, o *captureOptions, attachment *loader.Attachment) {
	for _, refusal := range attachment.Refusals {
		say(env.stderr, "note: %s", refusal)
		if refusal.Remedy != "" {
			say(env.stderr, "hint: %s", refusal.Remedy)
		}
	}
	say(env.stderr, "listening on %s, %s mode, %s, snap length %d bytes", o.iface, attachment.Mode, o.what, o.judge.SnapLength)
}
