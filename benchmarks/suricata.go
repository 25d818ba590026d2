package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/xdpeel/xdpeel/lab/suricata"
)

// suricataRate is one that either side can just take, in packets a second: at less,
// Suricata is woken for a few packets at a time, and waking is what would be compared.
// suricataTime is how long it lasts, and suricataRounds how often each side has its turn.
// A Suricata is never quite at rest, so that it has suricataDrain to do what is left.
const (
	suricataRounds = 6
	suricataDrain  = 300 * time.Millisecond
	suricataRate   = 400_000
	suricataTime   = time.Second
)

// suricataSide is a Suricata, and what brings it its packets.
type suricataSide struct {
	teardown
	name    string
	lane    *Lane
	feeder  Feeder
	iface   string // that Suricata reads
	process *Process
	socket  string // of Suricata's commands
	native  bool   // Suricata strips the packets itself

	reached uint64    // mirrored packets decoded so far
	rates   []float64 // mirrored packets a second of Suricata's CPU time
	kernel  []float64 // nanoseconds of the NAPI threads, a packet
}

// compareSuricata compares a Suricata that xdpeel feeds with one that decodes VXLAN.
func compareSuricata(ctx context.Context, xdpeel, directory string, mix Mix, rounds int) (_ []Result, err error) {
	name := captureName("suricata_vs_native", mix, 0)
	if _, err := suricata.Find(); err != nil {
		return []Result{unmeasured(name, err.Error())}, nil
	}
	sides := []*suricataSide{{name: "fed"}, {name: "native", native: true}, {name: "again"}}
	defer func() {
		for _, side := range sides {
			err = errors.Join(err, side.Close())
		}
	}()
	for _, side := range sides {
		if err := side.setUp(xdpeel, directory, mix); err != nil {
			return nil, fmt.Errorf("set %s up: %w", side.name, err)
		}
	}
	for range rounds {
		for _, side := range sides {
			if err := side.turn(ctx); err != nil {
				return nil, fmt.Errorf("measure %s: %w", side.name, err)
			}
		}
	}
	fed, native, again := sides[0], sides[1], sides[2]
	const unit = "mirrored packets per CPU second of Suricata, ratio; "
	return []Result{
		compare(name, unit+mix.String(), Higher, fed.rates, native.rates).
			with("fed_packets_per_cpu_second", median(fed.rates)).with("native_packets_per_cpu_second", median(native.rates)).
			with("fed_kernel_ns", median(fed.kernel)).with("native_kernel_ns", median(native.kernel)),
		compare(captureName("noise_floor_suricata", mix, 0), "fed against another that is fed, ratio", Higher, again.rates, fed.rates),
	}, nil
}

// setUp starts all that a side needs.
func (s *suricataSide) setUp(xdpeel, directory string, mix Mix) (err error) {
	if s.lane, err = NewLane(1500); err != nil {
		return err
	}
	s.then(s.lane.Close)
	work := filepath.Join(directory, "suricata-"+s.name+"-"+mix.Name)
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	if s.native {
		s.iface, err = s.lane.pair.B.Name, s.lane.passAll()
	} else {
		err = s.startXdpeel(xdpeel, work)
	}
	if err != nil {
		return err
	}
	if err := s.startSuricata(work); err != nil {
		return err
	}
	if s.feeder, err = s.lane.generator(mix.Sizes...); err != nil {
		return err
	}
	s.then(s.feeder.Close)
	return nil
}

// startXdpeel starts the daemon, which makes the interface that Suricata reads. It has
// no other output, and no filter.
func (s *suricataSide) startXdpeel(xdpeel, work string) error {
	s.iface = strings.TrimSuffix(s.lane.pair.B.Name, "r") + "i" // no longer: names of threads have 15 bytes
	text := fmt.Sprintf("interfaces: [%s]\nmode: native\non_exit: detach\nsessions: [{vni: any}]\n"+
		"outputs: {ids: {type: veth, interface: %[1]sx, peer: %s, mtu: 1500}}\n", s.lane.pair.B.Name, s.iface)
	daemon, err := startDaemon(xdpeel, s.lane, work, text)
	if err != nil {
		return err
	}
	s.then(daemon.Stop)
	return s.lane.pair.B.Namespace.Do(func() error { return makeThreaded(s.iface) })
}

// suricataSettings are the same for both sides, but for the interface and the VXLAN
// decoder. Nothing is written but at the end; no rule of the demo's fires.
const suricataSettings = `%%YAML 1.1
---
vars: {address-groups: {HOME_NET: "10.0.0.0/8", EXTERNAL_NET: any}}
decoder: {vxlan: {enabled: %[2]t, ports: "4789"}, geneve: {enabled: false}, teredo: {enabled: false}}
af-packet:
  - {interface: %[1]s, threads: 1, cluster-id: 99, cluster-type: cluster_flow, defrag: yes,
     tpacket-v3: yes, ring-size: 50000, block-size: 1048576, checksum-checks: no}
stream: {midstream: true, async-oneside: true}
stats: {enabled: yes, interval: 1}
outputs: [{stats: {enabled: yes, filename: stats, threads: yes, totals: yes}}]
unix-command: {enabled: yes, filename: %[3]s}
`

func (s *suricataSide) startSuricata(work string) (err error) {
	rules, err := filepath.Abs("scripts/demo.rules")
	if err != nil {
		return err
	}
	program, err := exec.LookPath("suricata")
	if err != nil {
		return err
	}
	s.socket = filepath.Join(work, "command.socket")
	path := filepath.Join(work, "suricata.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, suricataSettings, s.iface, s.native, s.socket), 0o644); err != nil {
		return err
	}
	s.process, err = StartProcess(s.lane.pair.B.Namespace, []string{program, "-c", path, "-S", rules, "-l", work,
		"--runmode", "workers", "--af-packet"}, "Engine started")
	if err != nil {
		return err
	}
	s.then(s.process.Stop)
	return nil
}

// turn sends packets, and divides those that Suricata decoded by the CPU time it took.
func (s *suricataSide) turn(ctx context.Context) error {
	threads, err := s.pinNAPI()
	if err != nil {
		return err
	}
	before, err := s.decoded(ctx, s.reached)
	if err != nil {
		return err
	}
	meter, err := newMeter(s.process.PID(), threads)
	if err != nil {
		return err
	}
	sent, err := s.feeder.Send(ctx, uint64(suricataRate*suricataTime.Seconds()), suricataRate)
	if err != nil {
		return err
	}
	time.Sleep(suricataDrain)
	process, kernel, err := meter.used() // before it is asked anything, which costs it too
	if err != nil {
		return err
	}
	if s.reached, err = s.decoded(ctx, before+sent.Packets); err != nil {
		return err
	}
	packets := s.reached - before
	slog.Debug("suricata", "side", s.name, "sent", sent.Packets, "decoded", packets, "process", process, "kernel", kernel)
	if packets < sent.Packets/4 {
		return fmt.Errorf("suricata has decoded %d of %d mirrored packets: this machine has too much else to do", packets, sent.Packets)
	}
	s.rates = append(s.rates, float64(packets)/process.Seconds())
	s.kernel = append(s.kernel, float64(kernel.Nanoseconds())/float64(packets))
	return nil
}

// pinNAPI pins the threads of the interface that packets arrive on, and of the one
// that Suricata reads.
func (s *suricataSide) pinNAPI() ([]int, error) {
	threads, err := s.lane.pinNAPI()
	if err != nil || s.native {
		return threads, err
	}
	more, err := pinNAPI(s.iface)
	return append(threads, more...), err
}

// settled is how long Suricata's counters must not move before what is missing is
// given up: it brings them up to date once a second, or later if it has much to do.
const settled = 4 * time.Second

// decoded returns how many mirrored packets Suricata has decoded, once they are so many
// or no more come.
func (s *suricataSide) decoded(ctx context.Context, want uint64) (packets uint64, err error) {
	for since := time.Now(); time.Since(since) < settled; time.Sleep(200 * time.Millisecond) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		all, err := suricata.ReadCounters(s.socket)
		if err != nil {
			return 0, err
		}
		now := all[s.iface].Decoded
		if s.native {
			now = all[s.iface].VXLAN
		}
		if all != nil && now >= want {
			return now, nil
		}
		if now != packets {
			packets, since = now, time.Now()
		}
	}
	return packets, nil
}
