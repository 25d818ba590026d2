package mirror

import "testing"

// However packets come, one by one or in a row, each is counted once for each of its
// outputs.
func TestTallyCountsEveryPacket(t *testing.T) {
	t.Parallel()
	tally := TallyFrom(SlotCounts{0: 100, 31: 1})
	for _, outputs := range []OutputSet{0, 1, 1, 1 << 31, 0, 3} {
		tally.Count(outputs)
	}
	if got, want := *tally.Sums(), (SlotCounts{0: 103, 1: 1, 31: 2}); got != want {
		t.Errorf("sums %v, want %v", got, want)
	}
	row := []Packet{{Outputs: 3}, {Outputs: 3}, {}, {Outputs: 1 << 31}, {Outputs: 2}}
	if got, want := tally.CountAll(row), OutputSet(3|1<<31); got != want {
		t.Errorf("named %b, want %b", got, want)
	}
	tally.Count(2)
	if named := tally.CountAll(nil); named != 0 {
		t.Errorf("named %b by no packet", named)
	}
	if got, want := *tally.Sums(), (SlotCounts{0: 105, 1: 5, 31: 3}); got != want {
		t.Errorf("sums %v, want %v", got, want)
	}
}
