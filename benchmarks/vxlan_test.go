package main

import (
	"testing"
	"time"
)

func TestVXLANSideBySide(t *testing.T) {
	needRig(t)
	results, err := compareVXLAN(t.Context(), full, vxlanLoad{rate: slowRate, warm: 50, packets: 200}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || results[0].Name != "kernel_vxlan_1450" {
		t.Errorf("results are %+v", results)
	}
	for _, r := range results {
		if r.Status != Measured || r.Pairs != 1 || r.Ratio.Median <= 0 {
			t.Errorf("result is %+v", r)
		}
	}
}

// A frame that has its wrapping still is not counted as one without.
func TestPacketCounterLooksAtTheLength(t *testing.T) {
	needRig(t)
	lane := receivingLane(t)
	var counters []*packetCounter
	for _, length := range []int{64, innerStart + 64} {
		counter, err := newPacketCounter(lane.pair.B.Namespace, lane.pair.B.Name, length)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := counter.Close(); err != nil {
				t.Error(err)
			}
		}()
		counters = append(counters, counter)
	}
	generator, err := lane.generator(64)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := generator.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := generator.Send(t.Context(), 100, slowRate); err != nil {
		t.Fatal(err)
	}
	stripped, wrapped := counters[0], counters[1]
	for deadline := time.Now().Add(startPatience); wrapped.packets.Load() < 100 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(2 * counterRetire) // until the other has what it might have
	if stripped.packets.Load() != 0 || wrapped.packets.Load() != 100 {
		t.Errorf("counted %d packets without their wrapping and %d with it", stripped.packets.Load(), wrapped.packets.Load())
	}
}
