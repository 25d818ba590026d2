package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

const demoUsage = `usage: xdpeel demo [FLAGS]

Makes two network namespaces and a veth pair, sends through it what AWS Traffic
Mirroring would send of two instances, captures that with XDP at the other end,
and shows what came out. Leaves nothing behind but the capture. Needs root.
`

// demoInterface is the mirror target's interface in the demo.
const demoInterface = "target"

// demoShown is how many packets of the capture are printed.
const demoShown = 12

func runDemo(ctx context.Context, env *environment, args []string) error {
	var path string
	flags := pflag.NewFlagSet("demo", pflag.ContinueOnError)
	flags.StringVarP(&path, "write", "w", "demo.pcapng", "pcapng `file` to write")
	if err := parseFlagsOnly(env.stdout, flags, demoUsage, args); err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return hinted(errors.New("the demo makes network namespaces, for which it needs root"), "sudo xdpeel demo")
	}
	// The capture shares its process with what makes the network, and takes it away.
	shared := *env
	shared.alone = false
	return demo(ctx, &shared, path)
}

// demoPatience is how long the demo waits for its packets: they take half a second.
const demoPatience = 8 * time.Second

func demo(ctx context.Context, env *environment, path string) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, demoPatience, errors.New("packets are missing"))
	defer cancel()
	source, err := lab.NewNamespace("xdpeel-source")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := lab.NewNamespace("xdpeel-target")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	pair, err := lab.NewPair(source, target, lab.VethOptions{NameA: "mirror", NameB: demoInterface, MTU: 9001, OffloadsOff: true})
	if err != nil {
		return err
	}
	conversation := lab.Conversation()
	fmt.Fprintf(env.stdout, "%d packets of %d mirrored instances go through XDP on a veth; the first that come out:\n\n",
		len(conversation), len(lab.Instances()))

	o := demoCapture(path, len(conversation))
	sent := make(chan error, 1)
	o.ready = func() { go func() { sent <- replay(ctx, &pair.A, conversation) }() }
	shown := &preview{left: demoShown, lines: export.NewLines(env.stdout, time.Local)}
	o.wrap = func(sink export.Sink) export.Sink { shown.Sink = sink; return shown }
	if err := target.Do(func() error { return capture(ctx, env, o) }); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("demo ended early: %w", context.Cause(ctx))
	}
	if err := <-sent; err != nil {
		return err
	}
	return whatNext(env.stdout, shown.Sink)
}

func demoCapture(path string, packets int) *captureOptions {
	return &captureOptions{
		iface: demoInterface, mode: loader.ModeAuto, count: uint64(packets), judge: mirror.Defaults(),
		policy: mirror.TakeAll(), what: "all VNIs", output: outputFlags{path: path, live: true},
	}
}

// replay sends the conversation.
func replay(ctx context.Context, from *lab.End, conversation []lab.Event) error {
	sender, err := lab.OpenSender(from.Namespace, from.Name)
	if err != nil {
		return err
	}
	defer sender.Close()
	return sender.Replay(ctx, conversation)
}

// preview is a sink that also shows the first packets as lines.
type preview struct {
	export.Sink
	lines export.Sink
	left  int
}

func (p *preview) Write(b *mirror.Batch) error {
	shown := &mirror.Batch{Packets: b.Packets[:min(p.left, len(b.Packets))]}
	p.left -= len(shown.Packets)
	return errors.Join(p.lines.Write(shown), p.lines.Flush(), p.Sink.Write(b))
}

func whatNext(w io.Writer, sink export.Sink) error {
	path := "the capture"
	if file, ok := sink.(*export.File); ok {
		path = file.Path()
	}
	_, err := fmt.Fprintf(w, `
All of them, as they were before they were wrapped, are in %[1]s:
  tshark -r %[1]s
  wireshark %[1]s
On a real mirror target, next:
  xdpeel capture -i ens5 -c 20
`, path)
	return err
}
