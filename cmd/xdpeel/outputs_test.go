package main

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// nobody knows no session.
type nobody struct{}

func (nobody) statistics(mirror.Session) export.Statistics { return export.Statistics{} }
func (nobody) sessionName(mirror.Session) string           { return "" }

// outputsUnderTest has configurations put into effect with no kernel to judge.
type outputsUnderTest struct {
	*outputs
	t   *testing.T
	dir string
}

func newOutputsUnderTest(t *testing.T) *outputsUnderTest {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	backlog, register := export.NewBacklog(4<<20), newRegister(books.New(), nil, log)
	backlog.Continue(mirror.SlotCounts{}, register.orphaned)
	return &outputsUnderTest{newOutputs(nil, backlog, register, nil, log), t, t.TempDir()}
}

// parse reads a configuration of outputs, each written as its name and its keys.
func (s *outputsUnderTest) parse(outputs ...string) *config.Config {
	s.t.Helper()
	text := "outputs:\n"
	for _, output := range outputs {
		name, keys, _ := strings.Cut(output, " ")
		text += "  " + name + ": {type: pcapng, path: " + filepath.Join(s.dir, name) + ".pcapng" + keys + "}\n"
	}
	return s.parseText(text)
}

func (s *outputsUnderTest) parseText(text string) *config.Config {
	s.t.Helper()
	c, err := config.Parse("test.yaml", []byte(text), s.slots())
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// change puts a configuration into effect; lost is what the kernel has lost so far.
func (s *outputsUnderTest) change(c *config.Config, counted *loader.SlotAccounts) {
	s.t.Helper()
	opened, err := s.open(c, nobody{})
	if err != nil {
		s.t.Fatal(err)
	}
	before, err := s.admit(opened, func() (*loader.SlotAccounts, error) { return counted, nil })
	if err != nil {
		s.t.Fatal(err)
	}
	s.settle(c, opened, before)
}

// packets is a batch of n packets that name these slots.
func packets(n int, slots ...int) *mirror.Batch {
	var set mirror.OutputSet
	for _, slot := range slots {
		set |= 1 << slot
	}
	b := mirror.NewBatch(n, 64*n)
	for i := range n {
		b.Add(mirror.Packet{
			Time: int64(i), Session: mirror.Session{VNI: 1, Source: netip.IPv4Unspecified()},
			Outputs: set, Length: 64, Data: b.Room(64),
		})
	}
	return b
}

// give gives packets to all outputs and returns once they have had them.
func (s *outputsUnderTest) give(b *mirror.Batch) {
	s.t.Helper()
	into := s.backlog.Batch()
	for _, p := range b.Packets {
		data := into.Room(len(p.Data))
		copy(data, p.Data)
		p.Data = data
		into.Add(p)
	}
	s.backlog.Publish()
	deadline := time.Now().Add(labtest.Patience)
	for s.backlog.Waits() {
		if runtime.Gosched(); time.Now().After(deadline) {
			s.t.Fatal("outputs do not take their packets")
		}
	}
}

func (s *outputsUnderTest) check(want map[string]mirror.OutputAccount, counted *loader.SlotAccounts) {
	s.t.Helper()
	got := make(map[string]mirror.OutputAccount)
	for name, account := range s.accounts(counted) {
		got[name] = *account
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("accounts (-want +got):\n%s", diff)
	}
}

func past(time.Time) bool { return true }

func account(delivered, ringFull uint64) mirror.OutputAccount {
	a := mirror.OutputAccount{Offered: delivered + ringFull, Delivered: delivered, Lost: map[mirror.Loss]uint64{}}
	a.Lose("ring_full", ringFull)
	return a
}

func ringFull(slot int, n uint64) *loader.SlotAccounts {
	counted := new(loader.SlotAccounts)
	counted[slot] = account(0, n)
	return counted
}

// An output that is reopened goes on counting; one that is gone is still told of.
func TestAccountsOutliveOutputs(t *testing.T) {
	s := newOutputsUnderTest(t)
	s.change(s.parse("a", "b"), new(loader.SlotAccounts))
	s.give(packets(3, 0, 1))
	s.change(s.parse("a , rotate_size: 1MiB"), ringFull(0, 5))
	s.give(packets(2, 0, 1)) // of b those that were judged before
	s.closeRetired(past)
	s.give(packets(4, 0))
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s.check(map[string]mirror.OutputAccount{"a": account(9, 7), "b": account(5, 0)}, ringFull(0, 7))
	for name, n := range map[string]int{"a": 3, "a-1": 6, "b": 5} {
		if got := len(readFrames(t, filepath.Join(s.dir, name+".pcapng"))); got != n {
			t.Errorf("%s has %d packets, want %d", name, got, n)
		}
	}
}

// The losses of a slot that goes to another name stay with the name that had them.
func TestSlotGoesToAnotherName(t *testing.T) {
	s := newOutputsUnderTest(t)
	s.change(s.parse("a"), new(loader.SlotAccounts))
	s.give(packets(1, 0))
	s.change(s.parse("b"), ringFull(0, 10))
	if got := s.slots(); !cmp.Equal(got, map[string]int{"a": 0, "b": 1}) {
		t.Fatalf("slots %v: b has that of an output whose packets may be on their way", got)
	}
	s.closeRetired(past)
	s.change(s.parse("c"), ringFull(0, 10))
	s.give(packets(2, 0))
	s.check(map[string]mirror.OutputAccount{"a": account(1, 10), "b": account(0, 0), "c": account(2, 3)}, ringFull(0, 13))
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s.check(map[string]mirror.OutputAccount{"a": account(1, 10), "b": account(0, 0), "c": account(2, 3)}, ringFull(0, 13))
}

// What was opened for a policy that then failed leaves nothing: no file, no account.
func TestWithdraw(t *testing.T) {
	s := newOutputsUnderTest(t)
	s.change(s.parse("a"), new(loader.SlotAccounts))
	c := s.parse("a , rotate_size: 1MiB", "b")
	opened, err := s.open(c, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.admit(opened, nil)
	if err := errors.Join(err, s.withdraw(opened)); err != nil {
		t.Fatal(err)
	}
	s.give(packets(2, 0, 1))
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s.check(map[string]mirror.OutputAccount{"a": account(2, 0)}, new(loader.SlotAccounts))
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if want := []string{filepath.Join(s.dir, "a.pcapng")}; err != nil || !cmp.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
}

// Packets that come to an output that is closed are counted all the same, and stay
// with the name that had the slot.
func TestLatePackets(t *testing.T) {
	s := newOutputsUnderTest(t)
	s.change(s.parse("a"), new(loader.SlotAccounts))
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s.give(packets(3, 0))
	want := mirror.OutputAccount{Offered: 3, Lost: map[mirror.Loss]uint64{mirror.LossOutputClosed: 3}}
	s.check(map[string]mirror.OutputAccount{"a": want}, new(loader.SlotAccounts))
	s.table.Store(new(outputTable))
	s.change(s.parse("b"), new(loader.SlotAccounts))
	s.give(packets(2, 0))
	s.check(map[string]mirror.OutputAccount{"a": want, "b": account(2, 0)}, new(loader.SlotAccounts))
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

func TestOutputsDoNotAllocate(t *testing.T) {
	s := newOutputsUnderTest(t)
	s.change(s.parse("a", "b , snaplen: headers"), new(loader.SlotAccounts))
	b := packets(100, 0, 1)
	s.give(b)
	if allocations := testing.AllocsPerRun(10, func() { s.give(b) }); allocations != 0 {
		t.Errorf("%v allocations a batch, want 0", allocations)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}
