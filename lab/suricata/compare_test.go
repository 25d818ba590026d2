package suricata

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func alert(signature, packets string) Event {
	return Event{Type: "alert", Signature: signature, Fields: map[string]string{
		"alert.signature": signature, "flow.pkts_toserver": packets, "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2", "dest_port": "80",
	}}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	one, two, other := alert("one", "1"), alert("one", "2"), alert("other", "1")
	elsewhere := one
	elsewhere.Interface = "ids0"
	for _, test := range []struct {
		name      string
		want, got []Event
		say       []string
	}{
		{"the same in another order, of an interface", []Event{one, other}, []Event{other, elsewhere}, nil},
		{"one too few of two", []Event{one, one}, []Event{one}, []string{"missing: alert one 10.0.0.1 > 10.0.0.2.80"}},
		{"one too many", []Event{one}, []Event{one, other, one}, []string{
			"too many: alert other 10.0.0.1 > 10.0.0.2.80", "too many: alert one 10.0.0.1 > 10.0.0.2.80"}},
		{"alike", []Event{one, other}, []Event{other, two}, []string{
			`alert one 10.0.0.1 > 10.0.0.2.80: flow.pkts_toserver is "2", want "1";`}},
		{"nothing alike", []Event{one}, []Event{other}, []string{
			"missing: alert one 10.0.0.1 > 10.0.0.2.80", "too many: alert other 10.0.0.1 > 10.0.0.2.80"}},
	} {
		var said []string
		for _, d := range Compare(test.want, test.got) {
			said = append(said, d.String())
		}
		if diff := cmp.Diff(test.say, said); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// Of the most similar pair each field that differs is told, and what only one has.
func TestCompareFields(t *testing.T) {
	t.Parallel()
	want, near, far := alert("one", "1"), alert("one", "1"), alert("one", "3")
	delete(near.Fields, "dest_port")
	delete(far.Fields, "dest_port")
	differences := Compare([]Event{want}, []Event{far, near})
	if len(differences) != 2 {
		t.Fatalf("%d differences, want 2", len(differences))
	}
	if diff := cmp.Diff(map[string]Change{"dest_port": {Want: "80"}}, differences[0].Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}
