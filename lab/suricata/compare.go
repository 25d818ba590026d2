package suricata

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference is between two collections of events.
type Difference struct {
	Want, Got *Event            // one of them is nil if the other side has nothing like it
	Fields    map[string]Change // of two that are alike: what differs, by path
}

// Change is of the value of a field; "" is none.
type Change struct{ Want, Got string }

// Compare returns how two collections of events differ, however they are ordered
// and whatever interfaces they are of.
func Compare(want, got []Event) []Difference {
	missing, extra := unmatched(want, got)
	var differences []Difference
	for i := range missing {
		d := Difference{Want: &missing[i]}
		if at := mostAlike(missing[i], extra); at >= 0 {
			found := extra[at]
			d.Got, d.Fields = &found, fieldsThatDiffer(missing[i], found)
			extra = slices.Delete(extra, at, at+1)
		}
		differences = append(differences, d)
	}
	for i := range extra {
		differences = append(differences, Difference{Got: &extra[i]})
	}
	return differences
}

// unmatched returns the events of each side that the other has not, or not as often.
func unmatched(want, got []Event) (missing, extra []Event) {
	counts := make(map[string]int)
	for _, event := range got {
		counts[event.key()]++
	}
	for _, event := range want {
		if counts[event.key()]--; counts[event.key()] < 0 {
			missing = append(missing, event)
		}
	}
	for _, event := range slices.Backward(got) {
		if key := event.key(); counts[key] > 0 {
			counts[key]--
			extra = append(extra, event)
		}
	}
	slices.Reverse(extra)
	return missing, extra
}

// mostAlike returns which of the events is of the same kind and differs in the
// fewest fields, -1 if none is of the kind.
func mostAlike(event Event, events []Event) int {
	best, least := -1, 0
	for i, other := range events {
		if other.Type != event.Type || other.Signature != event.Signature {
			continue
		}
		if n := len(fieldsThatDiffer(event, other)); best < 0 || n < least {
			best, least = i, n
		}
	}
	return best
}

func fieldsThatDiffer(want, got Event) map[string]Change {
	differ := make(map[string]Change)
	for _, fields := range []map[string]string{want.Fields, got.Fields} {
		for path := range fields {
			if change := (Change{want.Fields[path], got.Fields[path]}); change.Want != change.Got {
				differ[path] = change
			}
		}
	}
	return differ
}

func (d Difference) String() string {
	switch {
	case d.Got == nil:
		return fmt.Sprintf("missing: %s", d.Want)
	case d.Want == nil:
		return fmt.Sprintf("too many: %s", d.Got)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", d.Want)
	for _, path := range slices.Sorted(maps.Keys(d.Fields)) {
		fmt.Fprintf(&b, " %s is %.60q, want %.60q;", path, d.Fields[path].Got, d.Fields[path].Want)
	}
	return b.String()
}

// shown is how many differences are told: the first ones say what is wrong.
const shown = 20

// Text tells of differences, a line each.
func Text(differences []Difference) string {
	var b strings.Builder
	for i, d := range differences {
		if i == shown {
			fmt.Fprintf(&b, "and %d more\n", len(differences)-shown)
			break
		}
		fmt.Fprintln(&b, d)
	}
	return b.String()
}
