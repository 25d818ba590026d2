package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/loader/pair"
	"github.com/xdpeel/xdpeel/mirror"
)

// redirectTrial is how long a side sends, and redirectRules how many rules the
// filter has.
const (
	redirectTrial = 100 * time.Millisecond
	redirectWarm  = 20_000 // packets before, and at a time
	redirectRules = 100
)

// redirectLoad is how many packets a side is sent.
type redirectLoad struct {
	suffix string
	rate   float64 // packets a second; 0: as fast as the generator can
	name   string
}

// redirectLoads: more than any side can take, and as much as all can. In overload the
// generator, which drops what finds the queue full, and the receiver contend for the
// lock of the pages' pool, the more the slower the receiver is: a network card does not.
var redirectLoads = []redirectLoad{
	{name: "overload"},
	{"_paced", 1_000_000, "1,000,000 packets/s"},
}

// redirectBench is a lane at whose end a program sends all that arrives into one
// and the same veth: xdpeel's, or one that does nothing else.
type redirectBench struct {
	teardown
	lane      *Lane
	consumer  *lab.Namespace
	program   *loader.Program
	veth      *loader.Veth
	bare      *Stages // the programs that do less
	generator *Generator
}

func newRedirectBench(sizes ...int) (_ *redirectBench, err error) {
	b := new(redirectBench)
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.lane, err = NewLane(1500); err != nil {
		return nil, err
	}
	b.then(b.lane.Close)
	if b.consumer, err = lab.NewNamespace("xdpeel-bench-consumer"); err != nil {
		return nil, err
	}
	b.then(b.consumer.Close)
	if b.program, err = loader.Load(mirror.Options{}, redirectPolicy(0)); err != nil {
		return nil, err
	}
	b.then(b.program.Close)
	if b.bare, err = LoadStages(mirror.TakeAll(), programs.StagesProgRedirect, programs.StagesProgRedirectStripped); err != nil {
		return nil, err
	}
	b.then(b.bare.Close)
	if err = b.lane.pair.B.Namespace.Do(b.openVeth); err != nil {
		return nil, err
	}
	if b.generator, err = b.lane.generator(sizes...); err != nil {
		return nil, err
	}
	b.then(b.generator.Close)
	return b, nil
}

// Names of the veth's ends.
const redirectEnd, redirectPeer = "xdpeel0", "xdpeel0-ids"

// openVeth makes the veth and has the bare program lead there too.
func (b *redirectBench) openVeth() (err error) {
	b.veth, err = b.program.OpenVeth(loader.VethOptions{Options: pair.Options{
		Name: redirectEnd, Peer: redirectPeer, PeerNamespace: b.consumer.Name(), Queues: 1, MTU: 9216,
	}})
	if err != nil {
		return err
	}
	b.then(b.veth.Remove)
	ours, err := netlink.LinkByName(redirectEnd)
	if err != nil {
		return fmt.Errorf("find veth: %w", err)
	}
	if err := b.bare.loaded.Maps[programs.StagesMapWire].Put(uint32(0), uint32(ours.Attrs().Index)); err != nil {
		return fmt.Errorf("lead to veth: %w", err)
	}
	return nil
}

// redirectPolicy sends every packet of every session into the veth, after a search
// through so many rules, of which the last takes it.
func redirectPolicy(rules int) *mirror.Policy {
	session := mirror.SessionPolicy{AnyVNI: true, Outputs: mirror.FirstOutput}
	if rules > 0 {
		list := append(scatteredRules(rules-1, 1), mirror.Rule{Number: rules, Accept: true, Source: netip.MustParsePrefix("0.0.0.0/0")})
		session.Filter = &mirror.Filter{Name: "rules", Ingress: list}
	}
	return &mirror.Policy{Veths: mirror.FirstOutput, Sessions: []mirror.SessionPolicy{session}}
}

// withXdpeel measures with xdpeel's program and a policy.
func (b *redirectBench) withXdpeel(ctx context.Context, rate float64, policy *mirror.Policy) (_ float64, err error) {
	var attached *loader.Attachment
	err = b.lane.pair.B.Namespace.Do(func() (err error) {
		if err := b.program.SetPolicy(policy); err != nil {
			return err
		}
		attached, err = b.program.Attach(b.lane.pair.B.Name, loader.ModeNative)
		return err
	})
	if err != nil {
		return 0, err
	}
	handed, err := b.handedOver(ctx, rate)
	return handed, errors.Join(err, attached.Close())
}

// withBare measures with a program that only redirects, or hardly more.
func (b *redirectBench) withBare(ctx context.Context, rate float64, program string) (_ float64, err error) {
	var attached link.Link
	err = b.lane.pair.B.Namespace.Do(func() (err error) {
		attached, err = link.AttachXDP(link.XDPOptions{
			Program: b.bare.loaded.Programs[program], Interface: b.lane.pair.B.Index, Flags: link.XDPDriverMode,
		})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("attach %s: %w", program, err)
	}
	handed, err := b.handedOver(ctx, rate)
	return handed, errors.Join(err, attached.Close())
}

// handedOver sends at a rate, and returns how many packets came to the consumer's end
// for each second of the receiver's CPU. The end's own receiving is part of it: the
// kernel does that behind the program, in the same thread.
func (b *redirectBench) handedOver(ctx context.Context, rate float64) (float64, error) {
	threads, err := b.lane.pinNAPI()
	if err != nil {
		return 0, err
	}
	if _, err := b.generator.Send(ctx, redirectWarm, rate); err != nil {
		return 0, err
	}
	before, err := b.reading(threads)
	if err != nil {
		return 0, err
	}
	for began := time.Now(); time.Since(began) < redirectTrial; {
		if _, err := b.generator.Send(ctx, redirectWarm, rate); err != nil {
			return 0, err
		}
	}
	after, err := b.reading(threads)
	if err != nil {
		return 0, err
	}
	if after.packets == before.packets {
		return 0, errors.New("nothing came to the consumer's end")
	}
	return float64(after.packets-before.packets) / (after.cpu - before.cpu).Seconds(), nil
}

// redirectReading is how far the receiver is.
type redirectReading struct {
	packets uint64        // that the consumer's end has received
	cpu     time.Duration // of the receiver's threads
}

func (b *redirectBench) reading(threads []int) (r redirectReading, err error) {
	if r.packets, err = b.arrived(); err != nil {
		return r, err
	}
	for _, thread := range threads {
		used, err := cpuTime(thread)
		if err != nil {
			return r, err
		}
		r.cpu += used
	}
	return r, nil
}

// arrived is how many packets the consumer's end has received, as the kernel counts.
func (b *redirectBench) arrived() (uint64, error) {
	counts, err := statisticsOf(b.consumer, redirectPeer)
	return counts.RxPackets, err
}

// compareRedirects compares xdpeel's whole program, without a filter and with one,
// and the least that takes a wrapping off, each with a bare redirect into the same veth.
func compareRedirects(ctx context.Context, mix Mix, pairs int) (results []Result, err error) {
	b, err := newRedirectBench(mix.Sizes...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, load := range redirectLoads {
		more, err := b.compare(ctx, mix, load, pairs)
		results = append(results, more...)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

// redirectSide is one of those compared.
type redirectSide struct {
	name  string // of the result
	run   func() (float64, error)
	rates []float64
}

func (b *redirectBench) compare(ctx context.Context, mix Mix, load redirectLoad, pairs int) ([]Result, error) {
	xdpeel := func(rules int) func() (float64, error) {
		policy := redirectPolicy(rules)
		return func() (float64, error) { return b.withXdpeel(ctx, load.rate, policy) }
	}
	program := func(name string) func() (float64, error) {
		return func() (float64, error) { return b.withBare(ctx, load.rate, name) }
	}
	bare := redirectSide{run: program(programs.StagesProgRedirect)}
	sides := []redirectSide{
		{name: "redirect_vs_bare", run: xdpeel(0)},
		{name: fmt.Sprintf("redirect_%d_rules_vs_bare", redirectRules), run: xdpeel(redirectRules)},
		{name: "redirect_stripped_vs_bare", run: program(programs.StagesProgRedirectStripped)},
		{name: "noise_floor_redirect", run: bare.run},
	}
	for range pairs {
		for _, side := range []*redirectSide{&bare, &sides[0], &sides[1], &sides[2], &sides[3]} {
			rate, err := side.run()
			if err != nil {
				return nil, err
			}
			side.rates = append(side.rates, rate)
		}
	}
	unit := fmt.Sprintf("packets into a veth for each second of the receiving CPU, ratio; %s, %s", mix, load.name)
	var results []Result
	for _, side := range sides {
		results = append(results, compare(captureName(side.name+load.suffix, mix, 0), unit, Higher, side.rates, bare.rates).
			with("packets_per_cpu_second", median(side.rates)).with("bare_packets_per_cpu_second", median(bare.rates)))
	}
	return results, nil
}
