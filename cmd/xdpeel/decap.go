package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

const decapUsage = `usage: xdpeel decap -r IN -w OUT [FLAGS]

Strips the wrapping off the mirrored packets in a capture (pcap or pcapng) and
writes the inner packets as pcapng. What is not a mirrored packet is counted and
left out. Needs no privileges.

  xdpeel decap -r mirrored.pcap -w inner.pcapng
  ssh target tcpdump -i ens5 -w - udp port 4789 | xdpeel decap -r - -w - | tshark -r -
`

func runDecap(ctx context.Context, env *environment, args []string) error {
	var input string
	var output outputFlags
	var tunnel tunnelFlags
	flags := pflag.NewFlagSet("decap", pflag.ContinueOnError)
	flags.StringVarP(&input, "read", "r", "", "capture `file` to read; - is stdin")
	flags.StringVarP(&output.path, "write", "w", "", "pcapng `file` to write; - is stdout")
	tunnel.register(flags)
	output.registerLedger(flags)
	flags.String("config", "", "")
	flags.MarkHidden("config")
	if err := parseFlags(env.stdout, flags, decapUsage, args); err != nil {
		return err
	}
	if flags.Changed("config") {
		return usageErrorf("--config is not in this version")
	}
	if err := refuseFilter(flags); err != nil {
		return err
	}
	if input == "" || output.path == "" {
		return usageErrorf("decap needs -r IN and -w OUT")
	}
	if err := output.check(env); err != nil {
		return err
	}
	options, err := judgeOptions(tunnel, 0, nil)
	if err != nil {
		return err
	}
	return decap(ctx, env, input, output, options)
}

// stripping is the way of a capture's frames to the sink.
type stripping struct {
	reader *capfile.Reader
	judge  *mirror.Decapsulator
	sink   export.Sink
	batch  *mirror.Batch
}

// decap strips the capture input. What was whole of a torn one is kept.
func decap(ctx context.Context, env *environment, input string, output outputFlags, options mirror.Options) (err error) {
	s := &stripping{batch: mirror.NewBatch(mirror.CapturePackets, mirror.CaptureBytes)}
	in, name, err := openInput(ctx, env, input, s.push)
	if err != nil {
		return err
	}
	defer in.Close()
	if s.reader, err = capfile.NewReader(in); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if s.judge, err = mirror.NewDecapsulator(options); err != nil {
		return err
	}
	if s.sink, err = output.open(env, options.SnapLength, s.statistics); err != nil {
		return explainOutput(err)
	}
	stripErr := s.run(ctx)
	if errors.As(stripErr, new(*capfile.TornError)) || errors.As(stripErr, new(*capfile.LinkTypeError)) {
		stripErr = fmt.Errorf("read %s: %w", name, stripErr)
	}
	closeErr := explainOutput(s.sink.Close())

	ledger := s.judge.Ledger()
	ledger.Interface, ledger.Mode = name, "offline"
	account := s.sink.Account()
	ledger.Outputs[output.name()] = &account
	printLedger(env.stderr, ledger)
	return errors.Join(stripErr, closeErr, checkSums(ledger), writeLedger(env, output.ledger, ledger))
}

func (s *stripping) statistics(session mirror.Session) export.Statistics {
	return export.Statistics{Received: s.judge.Ledger().Sessions[session].Packets}
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
		if judgement.Outcome != abi.OutcomeDelivered {
			continue
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
