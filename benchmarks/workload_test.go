package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
)

var testWorkloads = map[string]Workload{
	"one size":      {Sizes: []int{64}, Flows: 1, Sessions: 1},
	"odd size":      {Sizes: []int{1449}, Flows: 1000, Sessions: 7},
	"internet mix":  {Sizes: imix.Sizes, Flows: 1_000_000, Sessions: 10_000},
	"smallest size": {Sizes: []int{stampEnd}, Flows: 3, Sessions: 3},
}

var testSequences = []uint64{0, 1, 2, 6, 11, 999, 1000, 123_456_789, 1 << 33}

// built returns a packet of a workload as package frames builds it.
func built(w Workload, sequence uint64) []byte {
	size := w.Sizes[sequence%uint64(len(w.Sizes))]
	blank := frames.Payload(size - stampStart)
	flow := uint32(sequence % uint64(w.Flows))
	session := flow % uint32(w.Sessions)
	check := checkOf(sequence, flow, session)
	for i := range 8 {
		blank[i] = byte(sequence >> (8 * i))
	}
	for i := range 4 {
		blank[8+i], blank[12+i], blank[16+i] = byte(flow>>(8*i)), byte(session>>(8*i)), byte(check>>(8*i))
	}
	source := netip.AddrFrom4(after(firstSource, session))
	inner := frames.UDPFrame(
		frames.Peer{MAC: routerMAC, Address: netip.AddrFrom4(after(firstClient, flow)), Port: 40000},
		frames.Peer{MAC: hostMAC, Address: source, Port: 443}, blank)
	mirrored := frames.FromAWS(inner, firstVNI+session, source, target)
	mirrored.To = hostMAC
	mirrored.UDP.Source = 0xff80 | uint16(flow&0x7f)
	return mirrored.Bytes()
}

func TestFramesAreThoseOfTheBuilder(t *testing.T) {
	t.Parallel()
	for name, w := range testWorkloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := NewFrames(w, hostMAC[:])
			if err != nil {
				t.Fatal(err)
			}
			for _, sequence := range testSequences {
				want := built(w, sequence)
				if diff := cmp.Diff(want, f.Outer(sequence)); diff != "" {
					t.Errorf("packet %d: %s", sequence, diff)
				}
				if diff := cmp.Diff(want[innerStart:], f.Inner(sequence)); diff != "" {
					t.Errorf("inside of packet %d: %s", sequence, diff)
				}
			}
		})
	}
}

func TestGeneratorMakesTheSameFrames(t *testing.T) {
	needRig(t)
	for name, w := range testWorkloads {
		t.Run(name, func(t *testing.T) {
			lane := receivingLane(t)
			receiver, err := lab.OpenReceiver(lane.pair.B.Namespace, lane.pair.B.Name)
			if err != nil {
				t.Fatal(err)
			}
			defer receiver.Close()
			f, err := NewFrames(w, lane.pair.B.MAC)
			if err != nil {
				t.Fatal(err)
			}
			generator, err := NewGenerator(lane, f)
			if err != nil {
				t.Fatal(err)
			}
			defer generator.Close()
			for _, sequence := range testSequences {
				generator.next = sequence
				// More than the pool has pages, so that some are made of those of others.
				const packets = 2*liveBatch + 1
				if sent, err := generator.Send(t.Context(), packets, 20_000); err != nil || sent.Lost != 0 {
					t.Fatalf("sent %+v: %v", sent, err)
				}
				for n := range uint64(packets) {
					got, err := receiver.Receive(time.Now().Add(time.Second))
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(f.Outer(sequence+n), got); diff != "" {
						t.Fatalf("packet %d: %s", sequence+n, diff)
					}
				}
			}
		})
	}
}

func TestNoSuchWorkload(t *testing.T) {
	t.Parallel()
	for _, w := range []Workload{
		{}, {Sizes: []int{stampEnd - 1}, Flows: 1, Sessions: 1}, {Sizes: []int{64}, Sessions: 1},
		{Sizes: []int{64}, Flows: 1}, {Sizes: make([]int, 17), Flows: 1, Sessions: 1},
	} {
		if _, err := NewFrames(w, hostMAC[:]); err == nil {
			t.Errorf("%+v is taken", w)
		}
	}
}
