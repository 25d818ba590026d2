package main

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A receiver that is late loses what more than a network card's ring has no room for,
// and nothing else; the generator says how much that is.
func TestGeneratorHoldsWhatARingHolds(t *testing.T) {
	needRig(t)
	for name, test := range map[string]struct {
		absent      time.Duration
		least, most uint64
	}{
		"prompt":              {},
		"later than a veth":   {absent: 10 * time.Millisecond}, // 500 packets, of which a veth holds 256
		"later than its ring": {absent: 80 * time.Millisecond, least: 2000, most: 9000},
	} {
		t.Run(name, func(t *testing.T) {
			lane := receivingLane(t)
			generator, err := lane.generator(64)
			if err != nil {
				t.Fatal(err)
			}
			defer generator.Close()
			back := make(chan error, 1)
			go func() { back <- occupy(receiverCPU, test.absent) }()
			const packets = 20_000
			sent, err := generator.Send(t.Context(), packets, 50_000)
			if err := <-back; err != nil {
				t.Fatal(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			counts, err := statisticsOf(lane.pair.B.Namespace, lane.pair.B.Name)
			if err != nil {
				t.Fatal(err)
			}
			if sent.Packets != packets || sent.Lost < test.least || sent.Lost > test.most {
				t.Errorf("sent %+v, want %d to %d lost", sent, test.least, test.most)
			}
			if counts.RxPackets != packets-sent.Lost {
				t.Errorf("%d packets arrived and %d were lost of %d", counts.RxPackets, sent.Lost, packets)
			}
		})
	}
}

// occupy takes a CPU from all but the kernel's most urgent threads, 50 ms from now.
func occupy(cpu int, duration time.Duration) error {
	time.Sleep(50 * time.Millisecond)
	// Never unlocked: the thread, as urgent as it is, ends with the goroutine.
	runtime.LockOSThread()
	if err := unix.SchedSetaffinity(0, setOf(cpu)); err != nil {
		return err
	}
	attributes := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 2}
	if err := unix.SchedSetAttr(0, &attributes, 0); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < duration; {
	}
	return nil
}
