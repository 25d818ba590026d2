package loader

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/cases"
)

// The verdicts of an XDP program, from linux/bpf.h.
const (
	xdpDrop = 1
	xdpPass = 2
)

// verifiedInstructionsLimit is how much the verifier may have to prove: far from
// its own limit of a million, so that no kernel's verifier comes near that.
const verifiedInstructionsLimit = 130_000

func needRoot(t *testing.T) {
	t.Helper()
	labtest.NeedRoot(t, "loads the program into the kernel")
	if err := checkKernel(); errors.Is(err, ErrKernel) {
		t.Skipf("needs what xdpeel needs: %v", err)
	}
}

// kernelJudge is the program without an interface: frames are put to it one by
// one with BPF_PROG_TEST_RUN, and its packets read back from the rings.
type kernelJudge struct {
	t       *testing.T
	program *Program
	run     *ebpf.Program
	reader  *Reader
	batch   *mirror.Batch
}

func newKernelJudge(t *testing.T, o mirror.Options, policy *mirror.Policy) *kernelJudge {
	t.Helper()
	needRoot(t)
	program, err := Load(o, policy)
	if err != nil {
		t.Fatal(err)
	}
	run, err := program.load(withFragments)
	if err != nil {
		var verifier *ebpf.VerifierError
		if errors.As(err, &verifier) {
			t.Fatalf("%+v", verifier)
		}
		t.Fatal(err)
	}
	reader, err := program.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(reader.Close(), run.Close(), program.Close()); err != nil {
			t.Error(err)
		}
	})
	return &kernelJudge{t, program, run, reader, mirror.NewBatch(16, 1<<20)}
}

// judge puts one frame to the program. The batch holds what it delivered.
func (k *kernelJudge) judge(frame []byte) (verdict uint32) {
	k.t.Helper()
	out := make([]byte, len(frame)+256)
	options := &ebpf.RunOptions{Data: frame, DataOut: out}
	// Each CPU counts for itself which packets sampling keeps.
	err := lab.OnFirstCPU(func() (err error) {
		verdict, err = k.run.Run(options)
		return err
	})
	if err != nil {
		k.t.Fatalf("run the program for a frame of %d bytes: %v", len(frame), err)
	}
	if !bytes.Equal(options.DataOut, frame) {
		k.t.Errorf("program changed the frame\n in %x\nout %x", frame, options.DataOut)
	}
	k.batch.Reset()
	k.reader.merge(k.batch, math.MaxUint64)
	return verdict
}

// ledger reads the ledger, which must have lost nothing on the way here.
func (k *kernelJudge) ledger() *mirror.Ledger {
	k.t.Helper()
	ledger, slots, err := k.program.Ledger()
	if err != nil {
		k.t.Fatal(err)
	}
	for slot, account := range slots {
		if len(account.Lost) > 0 {
			k.t.Errorf("slot %d: rings lost packets: %v", slot, account.Lost)
		}
	}
	return ledger
}

// frames reads the part of the ledger that is not about sessions.
func (k *kernelJudge) frames() *mirror.Ledger {
	k.t.Helper()
	ledger := mirror.NewLedger("", "")
	if err := k.program.readFrames(ledger, new(SlotAccounts)); err != nil {
		k.t.Fatal(err)
	}
	return ledger
}

// moved returns which outcomes counted between two ledgers, and by how much.
func moved(before, after *mirror.Ledger) map[string]uint64 {
	counts := make(map[string]uint64)
	for outcome := range after.Outcomes {
		if n := after.Outcomes[outcome] - before.Outcomes[outcome]; n > 0 {
			counts[abi.Outcome(outcome).String()] = n
		}
	}
	counts["received"] = after.Received - before.Received
	return counts
}

// A mirrored interface and a mirror target, and who talks to the mirrored instance.
var (
	source, target = netip.MustParseAddr("10.0.12.59"), netip.MustParseAddr("10.0.99.10")
	instance       = frames.Peer{MAC: frames.MAC{2, 1}, Address: source, Port: 443}
	client         = frames.Peer{MAC: frames.MAC{2, 2}, Address: netip.MustParseAddr("198.51.100.7"), Port: 50000}
)

// smallestRun is the shortest frame that BPF_PROG_TEST_RUN takes, in bytes.
const smallestRun = 14

// onWire leaves out what no wire brings: frames that are not even an Ethernet
// header long, and those that a capture file's snap length has cut.
func onWire(list []cases.Case) (kept []cases.Case) {
	for _, c := range list {
		if len(c.Frame) >= smallestRun && c.WireLength == len(c.Frame) {
			kept = append(kept, c)
		}
	}
	return kept
}

func TestCases(t *testing.T) {
	kernel := newKernelJudge(t, mirror.Options{}, mirror.TakeAll())
	list := onWire(append(cases.All(), cases.Prefixes()...))
	kernel.check(t, list)
	kernel.checkLedger(t, list)
}

// The groups of a policy, each put to the program as soon as it has the policy:
// one program sees them all, and so lives through a reload for each.
func TestPoliciedCases(t *testing.T) {
	kernels := make(map[int]*kernelJudge) // by snap length, which is frozen in the program
	seen := make(map[int][]cases.Case)
	for _, group := range cases.Policied() {
		snap := group.Options.SnapLength
		if kernels[snap] == nil {
			kernels[snap] = newKernelJudge(t, group.Options, group.Policy)
		}
		list := onWire(group.Cases)
		t.Run(group.Name, func(t *testing.T) {
			if err := kernels[snap].program.SetPolicy(group.Policy); err != nil {
				t.Fatal(err)
			}
			kernels[snap].check(t, list)
		})
		seen[snap] = append(seen[snap], list...)
	}
	for snap, kernel := range kernels {
		kernel.checkLedger(t, seen[snap])
	}
}

// check puts each frame to the program: verdict, bytes, and exactly which counters move.
func (k *kernelJudge) check(t *testing.T, list []cases.Case) {
	defer func() { k.t = t }()
	for _, c := range list {
		t.Run(c.Name, func(t *testing.T) {
			k.t = t
			before := k.frames()
			verdict := k.judge(c.Frame)
			wantVerdict := uint32(xdpPass)
			if c.Consumed {
				wantVerdict = xdpDrop
			}
			if verdict != wantVerdict {
				t.Errorf("verdict %d, want %d", verdict, wantVerdict)
			}
			want := map[string]uint64{"received": 1, c.Outcome.String(): 1}
			if diff := cmp.Diff(want, moved(before, k.frames())); diff != "" {
				t.Errorf("counters that moved (-want +got):\n%s", diff)
			}
			checkDelivered(t, c, k.batch.Packets)
		})
	}
}

func (k *kernelJudge) checkLedger(t *testing.T, list []cases.Case) {
	t.Helper()
	k.t = t
	want, got := cases.Ledger(list), k.ledger()
	if diff := cmp.Diff(want.Sessions, got.Sessions, cmpSessions); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.BusiestStrangers(), got.BusiestStrangers(), cmpSessions); diff != "" {
		t.Errorf("unknown sessions (-want +got):\n%s", diff)
	}
}

// cmpSessions compares addresses as values, and leaves out times of day.
var cmpSessions = cmp.Options{
	cmp.Comparer(func(a, b mirror.Session) bool { return a == b }),
	cmpopts.IgnoreFields(mirror.SessionAccount{}, "LastSeen"),
	cmpopts.IgnoreFields(mirror.Stranger{}, "LastSeen"),
}

func checkDelivered(t *testing.T, c cases.Case, got []mirror.Packet) {
	t.Helper()
	if c.Outcome != abi.OutcomeDelivered {
		if len(got) > 0 {
			t.Errorf("%d packets delivered, want none", len(got))
		}
		return
	}
	if len(got) != 1 {
		t.Fatalf("%d packets delivered, want 1", len(got))
	}
	packet := got[0]
	packet.Time = 0
	if diff := cmp.Diff(packetOf(c), packet, cmpSessions); diff != "" {
		t.Errorf("packet (-want +got):\n%s", diff)
	}
}

// packetOf is what a case says of the packet that it delivers.
func packetOf(c cases.Case) mirror.Packet {
	return mirror.Packet{
		Session: c.Session(), Endpoint: c.Endpoint, Direction: c.Direction, Tunnel: c.Tunnel,
		Truncated: c.Truncated, Length: c.Length, Data: c.Inner, Rule: c.Rule, Outputs: c.Outputs,
	}
}

func TestSequences(t *testing.T) {
	for _, sequence := range cases.Sequences() {
		t.Run(sequence.Name, func(t *testing.T) {
			kernel := newKernelJudge(t, mirror.Options{}, mirror.TakeAll())
			for _, c := range onWire(sequence.Cases) {
				kernel.judge(c.Frame)
				checkDelivered(t, c, kernel.batch.Packets)
			}
		})
	}
}

func TestSnapLength(t *testing.T) {
	inner := frames.UDPFrame(client, instance, frames.Payload(1400))
	frame := frames.Wrap(inner, 7, source, target)
	for _, snap := range []int{14, 15, 64, 128, 129, 256, 257, 640, 641, len(inner) - 1, len(inner), len(inner) + 1} {
		kernel := newKernelJudge(t, mirror.Options{SnapLength: snap}, mirror.TakeAll())
		kernel.judge(frame)
		want := inner[:min(snap, len(inner))]
		if got := kernel.batch.Packets[0]; !bytes.Equal(got.Data, want) || got.Length != len(inner) || got.Truncated {
			t.Errorf("snap length %d: %d bytes of %d, truncated %v; want %d of %d, not truncated",
				snap, len(got.Data), got.Length, got.Truncated, len(want), len(inner))
		}
	}
}

func TestWantedVNIs(t *testing.T) {
	kernel := newKernelJudge(t, mirror.Options{}, mirror.TakeVNIs([]uint32{7, 0xffffff}))
	inner := frames.UDPFrame(client, instance, nil)
	for vni, want := range map[uint32]uint32{7: xdpDrop, 0xffffff: xdpDrop, 8: xdpPass, 0: xdpPass} {
		if got := kernel.judge(frames.Wrap(inner, vni, source, target)); got != want {
			t.Errorf("VNI %d: verdict %d, want %d", vni, got, want)
		}
	}
	ledger := kernel.ledger()
	if got := ledger.Outcomes[abi.OutcomeUnknownSession]; got != 2 {
		t.Errorf("unknown_session %d, want 2", got)
	}
	if len(ledger.Sessions) != 2 {
		t.Errorf("sessions %v: those that are not wanted have no account", ledger.Sessions)
	}
}

// More sessions than there are accounts share one, and no packet of theirs is lost. Those
// that have one keep it, however many others the CPU has met since.
func TestSessionsBeyondTheTable(t *testing.T) {
	if testing.Short() {
		t.Skip("puts 16,484 sessions to the program, twice: left out by -short")
	}
	kernel := newKernelJudge(t, mirror.Options{}, mirror.TakeAll())
	reference, err := mirror.NewDecapsulator(mirror.Options{}, mirror.TakeAll())
	if err != nil {
		t.Fatal(err)
	}
	inner := frames.UDPFrame(client, instance, nil)
	const sessions = abi.LimitSessions + 100
	for i := range uint32(2 * sessions) {
		frame := frames.Wrap(inner, i%sessions, source, target)
		kernel.judge(frame)
		if len(kernel.batch.Packets) != 1 {
			t.Fatalf("packet %d: %d packets", i, len(kernel.batch.Packets))
		}
		reference.Judge(frame, len(frame))
	}
	got, want := kernel.ledger(), reference.Ledger()
	if len(got.Sessions) != len(want.Sessions) || !cmp.Equal(got.Overflow, want.Overflow, cmpSessions) {
		t.Errorf("%d sessions and %+v beyond, want %d and %+v", len(got.Sessions), got.Overflow, len(want.Sessions), want.Overflow)
	}
	for session, account := range want.Sessions {
		if !cmp.Equal(got.Sessions[session], account, cmpSessions) {
			t.Fatalf("session %s has %+v, want %+v", session, got.Sessions[session], account)
		}
	}
}

// What is constant changes what the verifier sees: the program must load with all
// that the command line can ask for.
func TestEveryConfigurationLoads(t *testing.T) {
	var many []uint16
	for port := range uint16(abi.LimitPorts) {
		many = append(many, 5000+port)
	}
	list := []mirror.Options{
		{VXLANPorts: []uint16{}, GENEVEPorts: many},
		{VXLANPorts: []uint16{}, GENEVEPorts: []uint16{}},
	}
	for _, length := range []int{
		14, 15, 64, 100, 128, 142, 143, 256, 270, 271, 640, 654, 1024, 1500, 1536, 1550, 1551, 9000, 9216, 9230, 9231, 65534, 65535,
	} {
		list = append(list,
			mirror.Options{SnapLength: length},
			mirror.Options{SnapLength: length, VXLANPorts: many, GENEVEPorts: []uint16{}})
	}
	for _, o := range list {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) { newKernelJudge(t, o, mirror.TakeAll()) })
	}
}

func TestVerifiedInstructions(t *testing.T) {
	kernel := newKernelJudge(t, mirror.Options{}, mirror.TakeAll())
	info, err := kernel.run.Info()
	if err != nil {
		t.Fatal(err)
	}
	n, ok := info.VerifiedInstructions()
	if !ok {
		t.Skip("this kernel does not tell the verified instructions (Linux 5.16)")
	}
	t.Logf("%d instructions verified", n)
	if n > verifiedInstructionsLimit {
		t.Errorf("%d instructions verified, at most %d are allowed", n, verifiedInstructionsLimit)
	}
}
