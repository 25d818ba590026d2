package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAuditorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	whole := func(sequences ...uint64) func(*Frames) [][]byte {
		return func(f *Frames) (packets [][]byte) {
			for _, sequence := range sequences {
				packets = append(packets, slices.Clone(f.Inner(sequence)))
			}
			return packets
		}
	}
	tests := []struct {
		name     string
		received func(*Frames) [][]byte
		want     Account
		faulty   bool
	}{
		{"all", whole(0, 1, 2, 3), Account{Sent: 4, Received: 4}, false},
		{"and the tail", whole(0, 1, 2, 3, 4, 5), Account{Sent: 4, Received: 4}, false},
		{"none", whole(), Account{Sent: 4}, false},
		{"a gap", whole(0, 3), Account{Sent: 4, Received: 2}, false},
		{"twice", whole(0, 1, 1, 2, 3, 3), Account{Sent: 4, Received: 4, Duplicated: 2}, true},
		{"out of order", whole(0, 2, 1, 3), Account{Sent: 4, Received: 4, Reordered: 1}, true},
		{"a bit is wrong", func(f *Frames) [][]byte {
			packets := whole(0, 1)(f)
			packets[1][63] ^= 1
			return packets
		}, Account{Sent: 4, Received: 1, Corrupted: 1}, true},
		{"cut", func(f *Frames) [][]byte { return [][]byte{f.Inner(0)[:63]} }, Account{Sent: 4, Corrupted: 1}, true},
		{"too short for a stamp", func(f *Frames) [][]byte { return [][]byte{f.Inner(0)[:stampEnd-1]} }, Account{Sent: 4, Foreign: 1}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, err := NewFrames(Workload{Sizes: []int{64}, Flows: 2, Sessions: 1}, hostMAC[:])
			if err != nil {
				t.Fatal(err)
			}
			auditor := newAuditor(f, 4, false)
			for _, packet := range test.received(f) {
				auditor.note(packet)
			}
			if diff := cmp.Diff(test.want, auditor.account); diff != "" {
				t.Error(diff)
			}
			if err := auditor.account.Check(); (err != nil) != test.faulty {
				t.Errorf("check says %v", err)
			}
		})
	}
}
