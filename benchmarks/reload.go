package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

const (
	// reloadRules is how many rules a reload changes: all that there are.
	reloadRules = 10_000

	// reloadRate is the load meanwhile, packets a second.
	reloadRate = 500_000

	// reloadPause is between two reloads, so that each finds everything settled.
	reloadPause = 50 * time.Millisecond

	// reloadPatience is how long a reload may take to have an effect.
	reloadPatience = 5 * time.Second
)

// reloadPolicies returns two policies with no rule in common but the last, which
// takes the generator's packets, to the output by whose bit one tells which policy
// judged a packet.
func reloadPolicies() (policies [2]*mirror.Policy) {
	for i := range policies {
		rules := scatteredRules(reloadRules-1, uint64(i+1))
		policies[i] = filterPolicy(append(rules, mirror.Rule{Number: reloadRules, Accept: true}))
		policies[i].Sessions[0].Outputs = reloadOutput(i)
	}
	return policies
}

func reloadOutput(policy int) mirror.OutputSet { return 1 << policy }

// change is the first packet that another policy judged than the one before it.
type change struct {
	outputs mirror.OutputSet
	at      int64 // nanoseconds since the epoch
}

// reloadBench is a program under load, and the daemon's side of it on the
// receiver's CPU.
type reloadBench struct {
	*tap
	generator *Generator
	changes   chan change
	read      uint64 // packets, once the reader has ended
	sent      uint64 // packets, once the generator has ended
}

func newReloadBench(policy *mirror.Policy) (_ *reloadBench, err error) {
	b := &reloadBench{changes: make(chan change, 16)}
	if b.tap, err = newTap(policy); err != nil {
		return nil, err
	}
	if _, err = b.lane.pinNAPI(); err == nil {
		b.generator, err = b.lane.generator(filterSize)
	}
	if err != nil {
		return nil, errors.Join(err, b.tap.Close())
	}
	return b, nil
}

// Close takes everything down. The generator and the reader must have ended.
func (b *reloadBench) Close() error { return errors.Join(b.generator.Close(), b.tap.Close()) }

// send keeps the load up until stop is closed.
func (b *reloadBench) send(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		sent, err := b.generator.Send(ctx, reloadRate/20, reloadRate)
		if err != nil {
			return err
		}
		b.sent += sent.Packets
	}
}

// watch reads all packets and tells of each change of the policy, until the reader is
// stopped and the rings are empty.
func (b *reloadBench) watch() error {
	return lab.OnCPU(receiverCPU, func() error {
		batch := mirror.NewBatch(mirror.BatchPackets, mirror.BatchBytes)
		judge := reloadOutput(0)
		for {
			batch.Reset()
			err := b.reader.Read(batch)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			b.read += uint64(len(batch.Packets))
			for i := range batch.Packets {
				p := &batch.Packets[i]
				if p.Rule != reloadRules {
					return fmt.Errorf("packet was taken by rule %d of %d", p.Rule, reloadRules)
				}
				if p.Outputs != judge {
					judge = p.Outputs
					b.changes <- change{judge, p.Time}
				}
			}
		}
	})
}

// reloaded is what one reload took.
type reloaded struct {
	effect time.Duration // until the first packet that the new policy judged
	whole  time.Duration // until no packet is judged by the old one any more
}

// reload has set change the policy to the one that is known by outputs, and awaits
// its effect.
func (b *reloadBench) reload(ctx context.Context, set setter, outputs mirror.OutputSet) (r reloaded, err error) {
	var began time.Time
	err = lab.OnCPU(receiverCPU, func() error {
		began = time.Now()
		err := set(b.program)
		r.whole = time.Since(began)
		return err
	})
	if err != nil {
		return r, err
	}
	select {
	case c := <-b.changes:
		if c.outputs != outputs {
			return r, fmt.Errorf("packets are judged by policy %b, not %b", c.outputs, outputs)
		}
		r.effect = time.Duration(c.at - began.UnixNano())
		return r, nil
	case <-time.After(reloadPatience):
		return r, fmt.Errorf("no packet was judged by the new policy within %s", reloadPatience)
	case <-ctx.Done():
		return r, context.Cause(ctx)
	}
}

// losses are packets that did not come to the reader.
type losses struct {
	wire, ring uint64 // before the program, and behind it
}

// finish stops the load, waits for the rest and proves that no packet is missing but
// for those that the ledger has as lost.
func (b *reloadBench) finish(stop chan struct{}, sending, watching <-chan error) (l losses, err error) {
	close(stop)
	err = <-sending
	err = errors.Join(err, b.detach())
	b.reader.Stop()
	if err := errors.Join(err, <-watching); err != nil {
		return l, err
	}
	ledger, slots, err := b.program.Ledger()
	if err != nil {
		return l, err
	}
	for _, account := range slots {
		for _, n := range account.Lost {
			l.ring += n
		}
	}
	l.wire = b.sent - ledger.Received
	if ledger.Received != b.read+l.ring {
		return l, fmt.Errorf("%d packets arrived, %d were read and %d lost", ledger.Received, b.read, l.ring)
	}
	return l, nil
}

// setter brings a policy about.
type setter func(*loader.Program) error

// reloadWay is a way from what an operator has to a policy in the kernel.
type reloadWay struct {
	name    string                                    // of the result, without its unit
	from    string                                    // where the time begins
	setters func(directory string) ([2]setter, error) // of the two policies; files go into the directory
}

var reloadWays = []reloadWay{
	{"reload_10000_rules", "SetPolicy's call", policySetters},
	{"reload_10000_rules_yaml", "the reading of a configuration", yamlSetters},
	{"reload_10000_rules_json", "the reading of a configuration and the AWS file that it names", jsonSetters},
}

// policySetters have the policies at hand.
func policySetters(string) (set [2]setter, err error) {
	for i, policy := range reloadPolicies() {
		set[i] = func(p *loader.Program) error { return p.SetPolicy(policy) }
	}
	return set, nil
}

// measure changes the policy again and again under load.
func (w reloadWay) measure(ctx context.Context, directory string, reloads int) (_ []Result, err error) {
	set, err := w.setters(directory)
	if err != nil {
		return nil, err
	}
	b, err := newReloadBench(reloadPolicies()[0])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	stop, sending, watching := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() { sending <- b.send(ctx, stop) }()
	go func() { watching <- b.watch() }()
	var effects, wholes []float64
	for i := range reloads {
		time.Sleep(reloadPause)
		next := (i + 1) % 2
		r, reloadErr := b.reload(ctx, set[next], reloadOutput(next))
		if err = reloadErr; err != nil {
			break
		}
		effects, wholes = append(effects, r.effect.Seconds()*1e3), append(wholes, r.whole.Seconds()*1e3)
	}
	lost, finishErr := b.finish(stop, sending, watching)
	if err := errors.Join(err, finishErr); err != nil {
		return nil, err
	}
	effect := figure(w.name+"_ms", "ms from "+w.from+" to the first packet that the new policy judges", Lower, effects)
	whole := figure(w.name+"_return_ms", "ms from "+w.from+" until no packet is judged by the old policy", Lower, wholes)
	return []Result{
		effect.with("packets_sent", float64(b.sent)).with("packets_lost_on_wire", float64(lost.wire)).with("packets_lost_at_ring", float64(lost.ring)).with("offered_packets_per_second", reloadRate),
		whole,
	}, nil
}
