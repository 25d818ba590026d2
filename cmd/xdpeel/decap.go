package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

const decapUsage = `usage: xdpeel decap -r IN -w OUT [FLAGS] [FILTER]

Strips the wrapping off the mirrored packets in a capture (pcap or pcapng) and
writes the inner packets as pcapng: all, those that FILTER takes, a tcpdump
expression over the inner packet, or those that a configuration sends to any
output. What is not written is counted. Needs no privileges.

  xdpeel decap -r mirrored.pcap -w inner.pcapng
  xdpeel decap -r mirrored.pcap -w web.pcapng tcp port 80 or tcp port 443
  ssh target tcpdump -i ens5 -w - udp port 4789 | xdpeel decap -r - -w - | tshark -r -
`

// offlineMode is the ledger's mode where a file is judged.
const offlineMode = "offline"

// decapOptions is what the command line of a decap says.
type decapOptions struct {
	input  string
	output outputFlags
	judge  mirror.Options
	policy *mirror.Policy
}

func runDecap(ctx context.Context, env *environment, args []string) error {
	o, err := parseDecap(env, args)
	if err != nil {
		return err
	}
	return decap(ctx, env, o)
}

func parseDecap(env *environment, args []string) (*decapOptions, error) {
	o := new(decapOptions)
	var tunnel tunnelFlags
	var path string
	flags := pflag.NewFlagSet("decap", pflag.ContinueOnError)
	flags.StringVarP(&o.input, "read", "r", "", "capture `file` to read; - is stdin")
	flags.StringVarP(&o.output.path, "write", "w", "", "pcapng `file` to write; - is stdout")
	flags.StringVar(&path, "config", "", "judge by the ports and sessions of this configuration `file`")
	tunnel.register(flags)
	o.output.registerLedger(flags)
	if err := parseFlags(env.stdout, flags, decapUsage, args); err != nil {
		return nil, err
	}
	if o.input == "" || o.output.path == "" {
		return nil, usageErrorf("decap needs -r IN and -w OUT")
	}
	if err := o.output.check(env); err != nil {
		return nil, err
	}
	if !flags.Changed("config") {
		return o, o.want(tunnel, flags.Args())
	}
	if flags.NArg() > 0 {
		return nil, usageErrorf("FILTER and --config cannot go together: the configuration has filters of its own")
	}
	if flags.Changed("vxlan-ports") || flags.Changed("geneve-ports") {
		return nil, usageErrorf("--vxlan-ports and --geneve-ports cannot go with --config, which names the ports itself")
	}
	c, err := config.Load(path, nil)
	if err != nil {
		return nil, err
	}
	o.judge, o.policy = c.Judge, c.Policy
	return o, nil
}

// want makes the policy of FILTER.
func (o *decapOptions) want(tunnel tunnelFlags, words []string) error {
	filter, err := filterOf(words)
	if err != nil {
		return err
	}
	if o.judge, err = judgeOptions(tunnel, 0); err != nil {
		return err
	}
	o.policy, err = takePolicy(nil, filter)
	return err
}

// stripping is the way of a capture's frames to the sink.
type stripping struct {
	reader *capfile.Reader
	judge  *mirror.Decapsulator
	names  sessionNames
	sink   export.Sink
	batch  *mirror.Batch
}

// decap strips the capture o.input. What was whole of a torn one is kept.
func decap(ctx context.Context, env *environment, o *decapOptions) (err error) {
	s := &stripping{names: namesOf(o.policy), batch: mirror.NewBatch(mirror.BatchPackets, mirror.BatchBytes)}
	in, name, err := openInput(ctx, env, o.input, s.push)
	if err != nil {
		return err
	}
	defer in.Close()
	if s.reader, err = capfile.NewReader(in); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if s.judge, err = mirror.NewDecapsulator(o.judge, o.policy); err != nil {
		return err
	}
	if s.sink, err = o.output.open(env, o.judge.SnapLength, s); err != nil {
		return explainOutput(err)
	}
	stripErr := s.run(ctx)
	if errors.As(stripErr, new(*capfile.TornError)) || errors.As(stripErr, new(*capfile.LinkTypeError)) {
		stripErr = fmt.Errorf("read %s: %w", name, stripErr)
	}
	closeErr := explainOutput(s.sink.Close())
	return errors.Join(stripErr, closeErr, s.report(env, o, name))
}

// report prints the ledger; name is the capture's.
func (s *stripping) report(env *environment, o *decapOptions, name string) error {
	ledger := s.judge.Ledger()
	ledger.Name(o.policy)
	ledger.Interface, ledger.Mode = name, offlineMode
	account := s.sink.Account()
	ledger.Outputs[o.output.name()] = &account
	return errors.Join(checkSums(ledger), conclude(env, ledger, o.output.ledger))
}

func (s *stripping) statistics(session mirror.Session) export.Statistics {
	return export.Statistics{Received: s.judge.Ledger().Sessions[session].Packets}
}

func (s *stripping) sessionName(session mirror.Session) string {
	return s.names.of(session)
}

// run judges every frame and writes what is delivered, until the capture, the
// output or ctx ends. What the sink does not take is counted all the same.
func (s *stripping) run(ctx context.Context) error {
	for {
		readErr := s.fill(ctx)
		if err := s.push(); err != nil {
			if isNormalEnd(err) {
				return nil
			}
			return explainOutput(err)
		}
		switch {
		case readErr == io.EOF, errors.Is(readErr, context.Canceled):
			return nil
		case readErr != nil:
			return readErr
		}
	}
}

// fill judges frames until the batch has no room for one more of the largest.
func (s *stripping) fill(ctx context.Context) error {
	for s.batch.Room(abi.LimitSnapLength) != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		frame, err := s.reader.Next()
		if err != nil {
			return err
		}
		judgement := s.judge.Judge(frame.Data, max(frame.WireLength, len(frame.Data)))
		if judgement.Outcome != abi.OutcomeDelivered || judgement.Packet.Outputs == 0 {
			continue // also what no output would get
		}
		packet := judgement.Packet
		packet.Time = frame.Time
		packet.Data = s.batch.Room(len(packet.Data))
		copy(packet.Data, judgement.Packet.Data)
		s.batch.Add(packet)
	}
	return nil
}

// push writes the batch and empties it.
func (s *stripping) push() error {
	if s.sink == nil { // the capture's header is being read
		return nil
	}
	defer s.batch.Reset()
	return errors.Join(s.sink.Write(s.batch), s.sink.Flush())
}
