package lab

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

func TestConversationIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	first, second := Conversation(), Conversation()
	if !reflect.DeepEqual(first, second) {
		t.Error("two calls differ")
	}
	previous := time.Duration(0)
	for i, event := range first {
		if event.At < previous {
			t.Errorf("event %d at %s comes after one at %s", i, event.At, previous)
		}
		previous = event.At
	}
	if previous > time.Second {
		t.Errorf("it lasts %s", previous)
	}
}

func TestConversationAccounts(t *testing.T) {
	t.Parallel()
	type account struct{ ingress, egress, truncated int }
	want := map[mirror.Session]account{
		web1.Session: {ingress: 20, egress: 21},
		db1.Session:  {ingress: 9, egress: 6, truncated: 6},
	}
	got := make(map[mirror.Session]account)
	for _, event := range Conversation() {
		a := got[event.Packet.Session]
		switch event.Packet.Direction {
		case abi.DirectionIngress:
			a.ingress++
		case abi.DirectionEgress:
			a.egress++
		}
		if event.Packet.Truncated {
			a.truncated++
		}
		got[event.Packet.Session] = a
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestConversationPackets(t *testing.T) {
	t.Parallel()
	instances := make(map[mirror.Session]Instance)
	for _, instance := range Instances() {
		instances[instance.Session] = instance
	}
	for i, event := range Conversation() {
		p, data := event.Packet, event.Packet.Data
		instance := instances[p.Session]
		wrapped := frames.Wrap(data, p.Session.VNI, p.Session.Source, Target)
		if !bytes.Equal(event.Frame, wrapped) {
			t.Errorf("event %d: the frame is not the packet wrapped", i)
		}
		to, from := frames.MAC(data[:6]), frames.MAC(data[6:12])
		if p.Direction == abi.DirectionIngress {
			to, from = from, to
		}
		if from != instance.eni || to != instance.router {
			t.Errorf("event %d: between %x and %x, want %x and %x", i, from, to, instance.eni, instance.router)
		}
		if total := 14 + int(binary.BigEndian.Uint16(data[16:])); total != p.Length {
			t.Errorf("event %d: IP header tells %d bytes, want %d", i, total, p.Length)
		}
		kept := p.Length
		if instance.PacketLength > 0 {
			kept = min(kept, instance.PacketLength)
		}
		if len(data) != kept || p.Truncated != (kept < p.Length) {
			t.Errorf("event %d: %d of %d bytes, truncated %t, want %d", i, len(data), p.Length, p.Truncated, kept)
		}
	}
}
