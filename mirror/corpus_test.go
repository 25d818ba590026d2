package mirror_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/corpus"
	"github.com/xdpeel/xdpeel/mirror"
)

// TestCorpus judges captures of real tunnels, and compares what comes out with
// what two other dissectors say does.
func TestCorpus(t *testing.T) {
	t.Parallel()
	captures, err := corpus.Mirrored()
	if errors.Is(err, corpus.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, capture := range captures {
		t.Run(capture.Name, func(t *testing.T) {
			t.Parallel()
			d := newDecapsulator(t, mirror.Options{VXLANPorts: capture.Ports.VXLAN, GENEVEPorts: capture.Ports.GENEVE}, mirror.TakeAll())
			for _, frame := range capture.Frames {
				checkExpected(t, frame, d.Judge(frame.Data, frame.WireLength))
			}
		})
	}
}

// checkExpected compares one judgement. The other dissectors strip one layer,
// keep bare payloads bare, and call frames cut by a snap length malformed; xdpeel
// differs in all three.
func checkExpected(t *testing.T, want corpus.Frame, got mirror.Judgement) {
	t.Helper()
	outcome := got.Outcome.String()
	if got.Outcome != abi.OutcomeDelivered {
		switch want.Action {
		case corpus.NotEncap:
			if outcome != "host" && outcome != "fragment" {
				t.Errorf("frame %d: %s, want it left to the host: %s", want.Number, outcome, want.Reason)
			}
		case corpus.Malformed:
			if !strings.HasPrefix(outcome, "malformed_") {
				t.Errorf("frame %d: %s, want it malformed: %s", want.Number, outcome, want.Reason)
			}
		default:
			t.Errorf("frame %d: %s, want it delivered", want.Number, outcome)
		}
		return
	}
	length, hash := want.InnerLength, want.InnerHash
	if want.Action == corpus.Malformed {
		length, hash = want.AvailableLength, want.AvailableHash
	}
	inner := got.Packet.Data
	if got.EtherType != 0 {
		inner = inner[14:]
	}
	sum := corpus.Hash(inner)
	if len(inner) != length || sum != hash || got.Packet.Session.VNI != want.VNI {
		t.Errorf("frame %d: %d bytes of vni %d with hash %s, want %d bytes of vni %d with hash %s",
			want.Number, len(inner), got.Packet.Session.VNI, sum, length, want.VNI, hash)
	}
}
