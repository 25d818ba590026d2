package mirror_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/cases"
)

var (
	eni = frames.Peer{MAC: frames.MAC{2, 0, 0, 0, 1, 1}, Address: netip.MustParseAddr("10.0.0.1"), Port: 443}
	web = frames.Peer{MAC: frames.MAC{2, 0, 0, 0, 1, 2}, Address: netip.MustParseAddr("192.0.2.2"), Port: 5000}

	target = netip.MustParseAddr("10.0.0.9")
)

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		options mirror.Options
		message string
	}{
		{mirror.Options{VXLANPorts: make([]uint16, 9)}, "check vxlan ports: 9 of them, at most 8"},
		{mirror.Options{VXLANPorts: []uint16{4789, 0}}, "check vxlan ports: 0 is no port"},
		{mirror.Options{GENEVEPorts: []uint16{0}}, "check geneve ports: 0 is no port"},
		{mirror.Options{GENEVEPorts: make([]uint16, 9)}, "check geneve ports: 9 of them"},
		{mirror.Options{SnapLength: 13}, "check snap length: 13 is not within 14 to 65535 bytes"},
		{mirror.Options{SnapLength: -1}, "check snap length: -1"},
		{mirror.Options{SnapLength: 65536}, "check snap length: 65536"},
	} {
		d, err := mirror.NewDecapsulator(test.options, mirror.TakeAll())
		if err == nil || d != nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%+v: error %v, want %q", test.options, err, test.message)
		}
	}
}

func TestOptionsAtTheirLimits(t *testing.T) {
	t.Parallel()
	eight := []uint16{1, 2, 3, 4, 5, 6, 7, 8}
	for _, options := range []mirror.Options{
		{VXLANPorts: eight, GENEVEPorts: eight},
		{VXLANPorts: []uint16{}, GENEVEPorts: []uint16{}},
		{SnapLength: 14},
		{SnapLength: 65535},
	} {
		if _, err := mirror.NewDecapsulator(options, mirror.TakeAll()); err != nil {
			t.Errorf("%+v: %v", options, err)
		}
	}
}

// setVNI changes the VNI of what Wrap returns.
func setVNI(frame []byte, vni int) {
	copy(frame[14+20+8+4:], []byte{byte(vni >> 16), byte(vni >> 8), byte(vni)})
}

// TestSessionsOverflow fills the table and sees that who comes later shares one
// account and learns nothing, and that who was there before goes on.
func TestSessionsOverflow(t *testing.T) {
	t.Parallel()
	told := frames.Wrap(frames.TCPFrame(eni, web, nil), 0, eni.Address, target)
	untold := frames.Wrap(frames.ARPFrame(eni, web), 0, eni.Address, target)
	d := newDecapsulator(t, mirror.Options{}, mirror.TakeAll())
	for vni := range abi.LimitSessions + 1 {
		setVNI(told, vni)
		d.Judge(told, len(told))
	}
	direction := func(vni int) abi.Direction {
		setVNI(untold, vni)
		return d.Judge(untold, len(untold)).Packet.Direction
	}
	if got := direction(abi.LimitSessions - 2); got != abi.DirectionEgress {
		t.Errorf("last session of the table: %s", got)
	}
	if got := direction(abi.LimitSessions - 1); got != abi.DirectionUnknown {
		t.Errorf("first session that is too many: %s", got)
	}

	ledger := d.Ledger()
	if got := len(ledger.Sessions); got != abi.LimitSessions-1 {
		t.Errorf("%d sessions, want %d", got, abi.LimitSessions-1)
	}
	if diff := cmp.Diff(mirror.SessionAccount{Packets: 3, Bytes: 54 + 54 + 42}, ledger.Overflow); diff != "" {
		t.Errorf("overflow differs (-want +got):\n%s", diff)
	}
	last := ledger.Sessions[mirror.Session{VNI: abi.LimitSessions - 2, Source: eni.Address}]
	if diff := cmp.Diff(mirror.SessionAccount{Packets: 2, Bytes: 54 + 42}, last); diff != "" {
		t.Errorf("last session's account differs (-want +got):\n%s", diff)
	}
}

// TestOverflowShares sees that sessions that share an account share their place in
// sampling by packet, and that the MAC that a policy names is theirs all the same.
func TestOverflowShares(t *testing.T) {
	t.Parallel()
	policy := mirror.TakeAll()
	policy.Sessions[0].Sample = mirror.Sampling{By: abi.SamplingByPacket, OneIn: 2}
	policy.Sessions[0].MAC = eni.MAC
	d := newDecapsulator(t, mirror.Options{}, policy)
	frame := frames.Wrap(frames.ARPFrame(eni, web), 0, eni.Address, target)
	judge := func(vni int) mirror.Judgement {
		setVNI(frame, vni)
		return d.Judge(frame, len(frame))
	}
	for vni := range abi.LimitSessions - 1 {
		judge(vni)
	}
	for i, want := range []abi.Outcome{
		abi.OutcomeDelivered, abi.OutcomeSampledOut, abi.OutcomeDelivered, abi.OutcomeSampledOut,
	} {
		got := judge(abi.LimitSessions + i%3)
		if got.Outcome != want || got.Packet.Direction != abi.DirectionEgress {
			t.Errorf("packet %d: %s %s, want egress %s", i, got.Packet.Direction, got.Outcome, want)
		}
	}
	want := mirror.SessionAccount{Packets: 4, Bytes: 4 * 42, SampledOut: 2}
	if diff := cmp.Diff(want, d.Ledger().Overflow); diff != "" {
		t.Errorf("overflow differs (-want +got):\n%s", diff)
	}
}

// TestLedgerKeeps sees that counts go on in the ledger that was handed out, and
// that what its owner has set stays.
func TestLedgerKeeps(t *testing.T) {
	t.Parallel()
	d := newDecapsulator(t, mirror.Options{}, mirror.TakeAll())
	frame := frames.Wrap(frames.TCPFrame(eni, web, nil), 5, eni.Address, target)
	key := mirror.Session{VNI: 5, Source: eni.Address}
	d.Judge(frame, len(frame))
	ledger := d.Ledger()
	ledger.Interface, ledger.Mode = "in.pcap", "offline"
	ledger.Outputs["file"] = &mirror.OutputAccount{Offered: 1, Delivered: 1}
	account := ledger.Sessions[key]
	account.Name = "web-1"
	ledger.Sessions[key] = account

	d.Judge(frame, len(frame))
	want := mirror.NewLedger("in.pcap", "offline")
	want.Received = 2
	want.Outcomes[abi.OutcomeDelivered] = 2
	want.Sessions[key] = mirror.SessionAccount{Name: "web-1", Packets: 2, Bytes: 108}
	want.Outputs["file"] = &mirror.OutputAccount{Offered: 1, Delivered: 1}
	if diff := cmp.Diff(want, d.Ledger(), compareAddresses); diff != "" {
		t.Errorf("ledger differs (-want +got):\n%s", diff)
	}
}

func TestJudgeAllocatesNothing(t *testing.T) {
	groups := append(cases.Policied(), cases.Group{Name: "all", Policy: mirror.TakeAll(), Cases: cases.All()})
	for _, group := range groups {
		d := newDecapsulator(t, group.Options, group.Policy)
		judgeAll := func() {
			for _, c := range group.Cases {
				d.Judge(c.Frame, c.WireLength)
			}
		}
		judgeAll() // sessions and fragments are known from here on
		if allocations := testing.AllocsPerRun(5, judgeAll); allocations != 0 {
			t.Errorf("%s: %g allocations in %d frames", group.Name, allocations, len(group.Cases))
		}
	}
}

// BenchmarkJudge judges one frame again and again, by a policy that takes all and by
// one that looks at everything.
func BenchmarkJudge(b *testing.B) {
	frame := frames.Wrap(frames.TCPFrame(eni, web, frames.Payload(200)), 5, eni.Address, target)
	for name, policy := range map[string]*mirror.Policy{"all": mirror.TakeAll(), "strict": strict()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			d := newDecapsulator(b, mirror.Options{}, policy)
			for b.Loop() {
				d.Judge(frame, len(frame))
			}
			ledger := d.Ledger()
			if taken := ledger.Sessions[mirror.Session{VNI: 5, Source: eni.Address}].Packets; taken < uint64(b.N) {
				b.Errorf("%d of %d frames were taken", taken, b.N)
			}
		})
	}
}
