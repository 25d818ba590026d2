package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/corpus"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// accountsText is all that a ledger counts, to be compared.
func accountsText(ledger *mirror.Ledger) string {
	text, _ := json.Marshal(ledger)
	return string(text)
}

// look reads the ledger, and sees that no counter has gone back.
func (s *storm) look() {
	s.t.Helper()
	now, _ := s.status()
	s.seen.add(s.t, s.daemon.cmd.Process.Pid)
	s.peak = max(s.peak, s.memory())
	if before := s.last; before != nil {
		s.checkForward("received", before.Received, now.Received)
		for outcome := range abi.OutcomeMax {
			s.checkForward(outcome.String(), before.Outcomes[outcome], now.Outcomes[outcome])
		}
		for name, account := range before.Outputs {
			after := now.Outputs[name]
			if after == nil && account.Offered == 0 { // of a reload that a kill came before
				continue
			}
			if after == nil {
				s.t.Fatalf("the account of output %q is gone", name)
			}
			s.checkForward("offered to "+name, account.Offered, after.Offered)
		}
		s.checkForward("delivered to ids", before.Outputs["ids"].Delivered, now.Outputs["ids"].Delivered)
	}
	s.last = now
}

func (s *storm) checkForward(what string, before, now uint64) {
	s.t.Helper()
	if now < before {
		s.t.Errorf("after %.3f s: %s goes back from %d to %d", s.elapsed().Seconds(), what, before, now)
	}
}

// finalLedger is what a daemon left that was ended in order.
func (s *storm) finalLedger() *mirror.Ledger {
	s.t.Helper()
	text, err := os.ReadFile(s.path("ledger.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	ledger, _, err := readStatus(text)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := checkSums(ledger); err != nil {
		s.t.Error(err)
	}
	return ledger
}

// checkEnd lets all come to rest and settles the accounts.
func (s *storm) checkEnd() {
	s.t.Helper()
	s.hush()
	s.shape = lastShape
	if complaint := s.hangUp(s.shape.text()); complaint != "" {
		s.t.Errorf("refused: %s", complaint)
	}
	s.awaitReady()
	s.rest()
	s.checkLeaks()
	s.end(syscall.SIGTERM)
	s.past = append(s.past, s.finalLedger())
	s.source.end()
	if s.source.failure != nil {
		s.t.Error(s.source.failure)
	}
	s.checkReceived()
	for _, name := range []string{"all", "extra", "packed"} {
		s.checkFiles(name)
	}
	s.checkClock()
	s.checkTap()
	s.detach()
	s.checkNothingLeft()
	s.t.Logf("%d packets in %d events, %d kills; attached again within %v; at most %d MiB", s.source.sent, len(s.log), s.kills, s.back, s.peak>>20)
}

// checkReceived compares what was sent with what has an outcome, and that with what
// the output of all packets was offered.
func (s *storm) checkReceived() {
	s.t.Helper()
	var received, delivered, offered uint64
	for _, ledger := range s.past {
		received += ledger.Received
		delivered += ledger.Outcomes[abi.OutcomeDelivered]
		offered += ledger.Outputs["all"].Offered
	}
	if sent := s.source.sent; received > sent || received < sent-s.source.atRisk {
		s.t.Errorf("%d received of %d sent, of which %d while the wire had trouble", received, sent, s.source.atRisk)
	}
	if offered != delivered {
		s.t.Errorf("%d delivered and %d offered to the output of all, after %d kills", delivered, offered, s.kills)
	}
}

// delivered is what all daemons have delivered to an output.
func (s *storm) delivered(output string) (n uint64) {
	for _, ledger := range s.past {
		if account := ledger.Outputs[output]; account != nil {
			n += account.Delivered
		}
	}
	return n
}

// checkFiles compares an output's files with its accounts.
func (s *storm) checkFiles(output string) {
	s.t.Helper()
	delivered := s.delivered(output)
	if parts, _ := filepath.Glob(filepath.Join(s.disk, output+"*.part")); len(parts) > 0 {
		s.t.Errorf("left %v behind", parts)
	}
	paths, _ := filepath.Glob(filepath.Join(s.disk, output+"*"))
	in := make(map[uint64]string)
	for _, path := range paths {
		frames, err := corpus.Frames(unpacked(s.t, path))
		if err != nil {
			s.t.Fatal(err)
		}
		before := int64(0)
		for _, frame := range frames {
			if frame.Time < before {
				s.t.Errorf("in %s the time goes back by %d ns", path, before-frame.Time)
			}
			before = frame.Time
			n := stormNumber(frame.Data)
			if other, twice := in[n]; twice {
				s.t.Fatalf("packet %d is in %s and in %s", n, other, path)
			}
			in[n] = path
		}
	}
	found := uint64(len(in))
	if found != delivered {
		s.t.Errorf("output %q has delivered %d packets and %d are in its %d files, after %d kills", output, delivered, found, len(paths), s.kills)
	}
}

// detach takes off what the daemons left.
func (s *storm) detach() {
	cmd := exec.Command(s.binary, "detach", "-i", "far", "--pins", s.pins())
	cmd.Stderr = s.daemon.stderr
	if err := s.wire.far.Namespace.Start(cmd); err == nil {
		cmd.Wait() // there may be nothing to take off
	}
}

// hasProgram says whether there is an XDP program on an interface.
func (s *storm) hasProgram(namespace *lab.Namespace, name string) (has bool) {
	s.t.Helper()
	s.change(namespace, name, func(iface netlink.Link) error {
		has = iface.Attrs().Xdp != nil && iface.Attrs().Xdp.Attached
		return nil
	})
	return has
}

// awaitOff waits until the programs are off whose pins went with their file system:
// the kernel does that a moment later.
func (s *storm) awaitOff() {
	s.t.Helper()
	far := s.wire.far.Namespace
	labtest.Eventually(s.t, "no program is on any interface", func() bool {
		return !s.hasProgram(far, "far") && !s.hasProgram(far, "xdpeel0") && !s.hasProgram(s.ids.Namespace, "xdpeel0-ids")
	})
}

// checkNothingLeft sees that what any daemon had in the kernel is gone.
func (s *storm) checkNothingLeft() {
	s.t.Helper()
	if pins, _ := filepath.Glob(filepath.Join(s.pins(), "*")); len(pins) > 0 {
		s.t.Errorf("pins are left: %v", pins)
	}
	left := ""
	for deadline := time.Now().Add(labtest.Patience); ; time.Sleep(100 * time.Millisecond) {
		if left = s.seen.left(); left == "" {
			break
		}
		if time.Now().After(deadline) {
			s.t.Errorf("left in the kernel: %s", left)
			break
		}
	}
	for name, namespace := range map[string]*lab.Namespace{"xdpeel0": s.wire.far.Namespace, "xdpeel0-ids": s.ids.Namespace} {
		if namespace.Do(func() error { _, err := netlink.LinkByName(name); return err }) == nil {
			s.t.Errorf("interface %q is left", name)
		}
	}
}
