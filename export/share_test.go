package export

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// flows is a batch of packets of UDP flows, each there and back, for the slots 0
// and 2, or only 2 of every third packet.
func flows(t testing.TB, n int) *mirror.Batch {
	t.Helper()
	b := mirror.NewBatch(2*n, 200*n)
	there := frame(t, ethernet, ipv4("11"), udp, "0001020304")
	for i := range 2 * n {
		data := append(b.Room(len(there))[:0], there...)
		source, destination := data[26:30], data[30:34]
		if binary.BigEndian.PutUint16(data[34:], uint16(1000+i/2)); i%2 == 1 {
			for j := range source {
				source[j], destination[j] = destination[j], source[j]
			}
			data[34], data[35], data[36], data[37] = data[36], data[37], data[34], data[35]
		}
		outputs := mirror.OutputSet(0b101)
		if i%3 == 2 {
			outputs = 0b100
		}
		b.Add(mirror.Packet{Time: at + int64(i), Session: web, Length: len(data), Outputs: outputs, Data: data})
	}
	return b
}

func TestShare(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		share  Share
		named  int
		times  []int64 // of the packets, since at
		length int
	}{
		"named":      {Share{Slot: 0}, 4, []int64{0, 1, 3, 4}, 47},
		"all":        {Share{Slot: 2}, 6, []int64{0, 1, 2, 3, 4, 5}, 47},
		"nobody":     {Share{Slot: 1}, 0, nil, 0},
		"one in two": {Share{Slot: 2, Sample: mirror.Sampling{By: abi.SamplingByPacket, OneIn: 2}}, 6, []int64{0, 2, 4}, 47},
		"of those named, one in three": {
			Share{Slot: 0, Sample: mirror.Sampling{By: abi.SamplingByPacket, OneIn: 3}}, 4, []int64{0, 4}, 47},
		"one in one":  {Share{Slot: 0, Sample: mirror.Sampling{By: abi.SamplingByFlow, OneIn: 1}}, 4, []int64{0, 1, 3, 4}, 47},
		"bytes":       {Share{Slot: 0, Snap: mirror.Snap{Bytes: 20}}, 4, []int64{0, 1, 3, 4}, 20},
		"headers":     {Share{Slot: 0, Snap: mirror.Snap{Headers: true}}, 4, []int64{0, 1, 3, 4}, 42},
		"the shorter": {Share{Slot: 0, Snap: mirror.Snap{Headers: true, Bytes: 41}}, 4, []int64{0, 1, 3, 4}, 41},
		"large":       {Share{Slot: 0, Snap: mirror.Snap{Bytes: 9000}}, 4, []int64{0, 1, 3, 4}, 47},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := flows(t, 3)
			part, named := test.share.Of(b)
			var times []int64
			for _, p := range part.Packets {
				times = append(times, p.Time-at)
				if len(p.Data) != test.length || p.Length != 47 {
					t.Errorf("packet has %d bytes of %d, want %d", len(p.Data), p.Length, test.length)
				}
			}
			if diff := cmp.Diff(test.times, times); named != test.named || diff != "" {
				t.Errorf("%d named, want %d; packets (-want +got):\n%s", named, test.named, diff)
			}
			if len(b.Packets[0].Data) != 47 {
				t.Error("the batch was changed")
			}
		})
	}
}

// Sampling by packet goes on from batch to batch.
func TestShareCountsOn(t *testing.T) {
	t.Parallel()
	s := Share{Slot: 0, Sample: mirror.Sampling{By: abi.SamplingByPacket, OneIn: 3}}
	var kept []int
	for range 3 {
		part, _ := s.Of(flows(t, 3))
		kept = append(kept, len(part.Packets))
	}
	if diff := cmp.Diff([]int{2, 1, 1}, kept); diff != "" { // 0 3, 6, 9 of 12
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// Both directions of a flow are kept, or neither, and other flows than those that
// a session of the same seed keeps.
func TestShareSamplesFlows(t *testing.T) {
	t.Parallel()
	const n, oneIn = 1000, 10
	b := flows(t, n)
	s := Share{Slot: 2, Seed: 42, Sample: mirror.Sampling{By: abi.SamplingByFlow, OneIn: oneIn}}
	part, _ := s.Of(b)
	both := 0
	for i := 0; i < len(part.Packets); i += 2 {
		if part.Packets[i+1].Time != part.Packets[i].Time+1 || (part.Packets[i].Time-at)%2 != 0 {
			t.Fatal("one direction of a flow is kept and the other is not")
		}
		headers := mirror.ReadHeaders(part.Packets[i].Data)
		if uint64(headers.FlowHash(42, part.Packets[i].Data))*oneIn>>32 == 0 {
			both++
		}
	}
	if flows := len(part.Packets) / 2; flows < 60 || flows > 140 || both > flows/2 {
		t.Errorf("%d of %d flows are kept, %d of them also by the session's seed", flows, n, both)
	}
}

func TestShareDoesNotAllocate(t *testing.T) {
	b := flows(t, 500)
	s := Share{Slot: 0, Sample: mirror.Sampling{By: abi.SamplingByFlow, OneIn: 2}, Snap: mirror.Snap{Headers: true}}
	s.Of(b)
	if allocations := testing.AllocsPerRun(10, func() { s.Of(b) }); allocations != 0 {
		t.Errorf("%v allocations a batch, want 0", allocations)
	}
}

func BenchmarkShare(b *testing.B) {
	batch := flows(b, 500)
	s := Share{Slot: 2}
	b.ReportAllocs()
	for b.Loop() {
		s.Of(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Packets)), "ns/packet")
}
