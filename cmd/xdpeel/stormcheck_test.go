package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/klauspost/compress/zstd"
	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/config"
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

// unpacked is a file that is not compressed, with what is in another.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	if filepath.Ext(path) != ".zst" {
		return path
	}
	packed, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	reader, err := zstd.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	into := filepath.Join(t.TempDir(), "unpacked.pcapng")
	if err == nil {
		err = os.WriteFile(into, text, 0o644)
	}
	if err != nil {
		t.Fatalf("unpack %s: %v", path, err)
	}
	return into
}

// memory is the most that the daemon had resident, in bytes.
func (s *storm) memory() int64 {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.daemon.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kibibytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return kibibytes << 10
}

// checkLeaks compares what the daemon that was in the storm holds with what a new one
// holds, of the same configuration.
func (s *storm) checkLeaks() {
	s.t.Helper()
	old := s.holdings()
	s.end(syscall.SIGTERM)
	s.start()
	s.awaitReady()
	s.rest()
	fresh := s.holdings()
	for what, n := range old {
		allowed := fresh[what]
		if !strings.HasPrefix(what, "bpf") && !strings.HasPrefix(what, "pin") && !strings.HasPrefix(what, "interface") {
			allowed += 4 // as the runtime has use for them
		}
		if n > allowed {
			s.t.Errorf("%d of %s, a new daemon has %d: %v, %v", n, what, fresh[what], old, fresh)
		}
	}
	c, err := config.Load(s.path("xdpeel.yaml"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if n, err := needOf(c); err != nil || s.peak > n.kernel+n.process {
		s.t.Errorf("%v: %d MiB resident, docs/run.md allows %d", err, s.peak>>20, mebibytes(n.kernel+n.process))
	}
}

// holdings counts what a daemon holds, by kind.
func (s *storm) holdings() map[string]int {
	s.t.Helper()
	held := make(map[string]int)
	proc := fmt.Sprintf("/proc/%d", s.daemon.cmd.Process.Pid)
	threads, _ := os.ReadDir(proc + "/task")
	held["threads"] = len(threads)
	descriptors, _ := os.ReadDir(proc + "/fd")
	for _, fd := range descriptors {
		target, _ := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
		kind, _, _ := strings.Cut(strings.TrimPrefix(target, "anon_inode:"), ":")
		if strings.HasPrefix(kind, s.disk) {
			kind = "files"
		}
		held[strings.ReplaceAll(strings.Trim(kind, "[]"), "_", "-")]++ // bpf_link, of one that was pinned
	}
	pinned, _ := filepath.Glob(filepath.Join(s.pins(), "*", "*", "*"))
	for _, path := range pinned {
		held["pin "+filepath.Base(path)]++
	}
	for _, namespace := range []*lab.Namespace{s.wire.far.Namespace, s.ids.Namespace} {
		err := namespace.Do(func() error {
			links, err := netlink.LinkList()
			for _, l := range links {
				held["interface "+l.Attrs().Name]++
			}
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return held
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

// kernelObjects are the BPF objects that daemons had: "map_id 12".
type kernelObjects map[string]bool

// add adds those that a process has descriptors of.
func (k kernelObjects) add(t interface{ Helper() }, pid int) {
	t.Helper()
	infos, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	for _, path := range infos {
		text, _ := os.ReadFile(path)                      // a descriptor may be closed by now
		link := strings.Contains(string(text), "link_id") // which names its program too
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if key == "map_id" || key == "link_id" || key == "prog_id" && !link {
				k[key+" "+strings.TrimSpace(value)] = true
			}
		}
	}
}

// left says which there still are.
func (k kernelObjects) left() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(k)) {
		kind, text, _ := strings.Cut(name, " ")
		id, _ := strconv.ParseUint(text, 10, 32)
		var held interface{ Close() error }
		var err error
		switch kind {
		case "map_id":
			held, err = ebpf.NewMapFromID(ebpf.MapID(id))
		case "prog_id":
			held, err = ebpf.NewProgramFromID(ebpf.ProgramID(id))
		case "link_id":
			held, err = link.NewFromID(link.ID(id))
		}
		if err == nil {
			held.Close()
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
