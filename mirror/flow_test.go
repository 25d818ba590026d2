package mirror_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/cases"
)

// TestFlowHashVectors holds the hash to numbers that another implementation of
// docs/judgement.md ("Sampling") has worked out.
func TestFlowHashVectors(t *testing.T) {
	t.Parallel()
	for _, flow := range cases.Flows() {
		for i, frame := range flow.Frames {
			h := mirror.ReadHeaders(frame)
			if got := h.FlowHash(cases.FlowSeed, frame); got != flow.Hash {
				t.Errorf("%s, frame %d: %#08x, want %#08x", flow.Name, i, got, flow.Hash)
			}
		}
	}
	address := netip.MustParseAddr
	tcp := mirror.Headers{
		Family: abi.FamilyIPv4, Protocol: 6, Source: address("10.0.12.59"), Destination: address("198.51.100.7"),
		HasPorts: true, SourcePort: 443, DestinationPort: 50123,
	}
	tcp6 := tcp
	tcp6.Family, tcp6.Source, tcp6.Destination = abi.FamilyIPv6, address("2001:db8:12::59"), address("2001:db8:ffff::7")
	widest := mirror.Headers{
		Family: abi.FamilyIPv6Extensions, Protocol: 255,
		Source: address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Destination: address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"),
		HasPorts: true, SourcePort: 65535, DestinationPort: 65535,
	}
	arp := frames.Ethernet(frames.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, frames.MAC{0x0a, 0x58, 0, 0, 0, 0x59}, 0x0806, nil)
	for _, test := range []struct {
		name    string
		headers mirror.Headers
		frame   []byte
		want    map[uint64]uint32 // by seed
	}{
		{"tcp", tcp, nil, map[uint64]uint32{0: 0x2df0e1de, cases.FlowSeed: 0x9de0d85f, 1<<64 - 1: 0x34374570}},
		{"tcp of ipv6", tcp6, nil, map[uint64]uint32{0: 0xa763f524, cases.FlowSeed: 0x4b8ed3f8, 1<<64 - 1: 0x91ff1d72}},
		{"widest", widest, nil, map[uint64]uint32{0: 0xc15638f0, cases.FlowSeed: 0xfad4b777, 1<<64 - 1: 0x3bc6a053}},
		{"arp", mirror.Headers{Family: abi.FamilyARP}, arp, map[uint64]uint32{0: 0x186d304a, cases.FlowSeed: 0xbf0c13d3, 1<<64 - 1: 0x9afefafa}},
		{"nothing", mirror.Headers{}, nil, map[uint64]uint32{0: 0, cases.FlowSeed: cases.FlowOfNothing, 1<<64 - 1: 0x5af1aa1d}},
	} {
		for seed, want := range test.want {
			if got := test.headers.FlowHash(seed, test.frame); got != want {
				t.Errorf("%s with seed %#x: %#08x, want %#08x", test.name, seed, got, want)
			}
		}
	}
}

// randomFlow returns a flow of random addresses and ports.
func randomFlow(random *rand.Rand) mirror.Headers {
	h := mirror.Headers{Family: abi.FamilyIPv4, Protocol: 6, HasPorts: true,
		SourcePort: uint16(random.Uint32()), DestinationPort: uint16(random.Uint32())}
	var bytes [32]byte
	for i := 0; i < len(bytes); i += 8 {
		binary.BigEndian.PutUint64(bytes[i:], random.Uint64())
	}
	h.Source, h.Destination = netip.AddrFrom4([4]byte(bytes[:])), netip.AddrFrom4([4]byte(bytes[16:]))
	if random.IntN(2) == 0 {
		h.Family, h.Protocol = abi.FamilyIPv6, 17
		h.Source, h.Destination = netip.AddrFrom16([16]byte(bytes[:])), netip.AddrFrom16([16]byte(bytes[16:]))
	}
	return h
}

// serverFlow returns a flow as one server has them, of one network and few ports.
func serverFlow(n int) mirror.Headers {
	return mirror.Headers{
		Family: abi.FamilyIPv4, Protocol: 6, HasPorts: true, SourcePort: uint16(32768 + n%1000), DestinationPort: 443,
		Source: netip.AddrFrom4([4]byte{10, 0, byte(n / 1000), 7}), Destination: netip.AddrFrom4([4]byte{10, 0, 0, 1}),
	}
}

func TestFlowHashIsSymmetric(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		h := randomFlow(random)
		back := h
		back.Source, back.Destination = h.Destination, h.Source
		back.SourcePort, back.DestinationPort = h.DestinationPort, h.SourcePort
		seed := random.Uint64()
		if h.FlowHash(seed, nil) != back.FlowHash(seed, nil) {
			t.Fatalf("%+v has another hash the other way, with seed %#x", h, seed)
		}
	}
}

// TestFlowHashIsEven sees that of 100,000 flows a tenth has a hash in each tenth.
func TestFlowHashIsEven(t *testing.T) {
	t.Parallel()
	const flows, parts = 100_000, 10
	random := rand.New(rand.NewPCG(3, 4))
	for name, flow := range map[string]func(n int) mirror.Headers{
		"random": func(int) mirror.Headers { return randomFlow(random) },
		"server": serverFlow,
	} {
		for _, seed := range []uint64{0, 1, cases.FlowSeed} {
			var counts [parts]int
			for n := range flows {
				h := flow(n)
				counts[uint64(h.FlowHash(seed, nil))*parts>>32]++
			}
			for part, n := range counts {
				if n < flows/parts*9/10 || n > flows/parts*11/10 {
					t.Errorf("%s flows with seed %#x: %d of %d in part %d of %d", name, seed, n, flows, part, parts)
				}
			}
		}
	}
}

// fragmentOf returns a mirrored fragment of an IPv6 datagram, whose ports its
// identification makes.
func fragmentOf(id uint32, offset uint16) []byte {
	inner := fromENI6(frames.UDP{Source: uint16(id), Destination: uint16(id >> 16)}.Datagram(
		eni6.Address, web6.Address, make([]byte, 8)), frames.FragmentExtension(offset, true, id))
	return frames.Wrap(inner, 5, eni.Address, target)
}

// TestFragmentsForgotten sees that the flows of as many datagrams are remembered as
// there is room for, and that the oldest makes room.
func TestFragmentsForgotten(t *testing.T) {
	t.Parallel()
	policy := mirror.TakeAll()
	policy.Sessions[0].Sample = mirror.Sampling{By: abi.SamplingByFlow, OneIn: 2}
	d := newDecapsulator(t, mirror.Options{}, policy)
	outcome := func(id uint32, offset uint16) abi.Outcome {
		frame := fragmentOf(id, offset)
		return d.Judge(frame, len(frame)).Outcome
	}
	forgotten := outcome(1<<31, 1) // of what has no first fragment
	var differ []uint32            // whose first fragment tells something else
	for id := uint32(0); id < abi.LimitFragments; id++ {
		if outcome(id, 0) != forgotten {
			differ = append(differ, id)
		}
	}
	if len(differ) < abi.LimitFragments/3 {
		t.Fatalf("%d of %d datagrams are judged otherwise than %s", len(differ), abi.LimitFragments, forgotten)
	}
	for _, id := range differ {
		if outcome(id, 1) == forgotten {
			t.Fatalf("datagram %d is forgotten", id)
		}
	}
	last := differ[len(differ)/2]
	for id := uint32(0); id <= last; id++ {
		outcome(1<<20+id, 0)
	}
	for _, id := range differ {
		if is := outcome(id, 1) == forgotten; is != (id <= last) {
			t.Fatalf("datagram %d of those up to %d: forgotten %t", id, last, is)
		}
	}
	for id := range uint32(abi.LimitFragments) {
		outcome(1<<21+id, 0)
	}
	for id := range last + 1 {
		if outcome(1<<20+id, 1) != forgotten {
			t.Fatalf("datagram %d of those that came second is remembered", id)
		}
	}
}
