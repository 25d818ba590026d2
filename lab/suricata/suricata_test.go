package suricata

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// need skips the test where there is no Suricata.
func need(t *testing.T) {
	t.Helper()
	version, err := Find()
	if errors.Is(err, ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Suricata %s", version)
}

// inner returns the packets of web-1 in lab's conversation: whole, and both directions.
func inner() (list [][]byte) {
	for _, event := range lab.Conversation() {
		if event.Packet.Session == lab.Instances()[0].Session {
			list = append(list, event.Packet.Data)
		}
	}
	return list
}

// writePcap writes a capture of frames, a millisecond apart.
func writePcap(t *testing.T, list [][]byte) (path string) {
	t.Helper()
	file := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0}
	for i, frame := range list {
		for _, field := range []int{1_000_000_000, i * 1000, len(frame), len(frame)} {
			file = binary.LittleEndian.AppendUint32(file, uint32(field))
		}
		file = append(file, frame...)
	}
	path = filepath.Join(t.TempDir(), "inner.pcap")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kinds counts events by type, and alerts by what their rule says.
func kinds(events []Event) map[string]int {
	counts := make(map[string]int)
	for _, event := range events {
		counts[strings.TrimSuffix(event.Type+" "+event.Signature, " ")]++
	}
	return counts
}

// ofConversation is what there is to find in inner.
var ofConversation = map[string]int{
	"alert packet": 41, "alert flow": 10, "alert TCP opening": 3, "alert TCP data": 12, "alert UDP datagram": 2,
	"alert ICMP echo request": 2, "alert HTTP request": 1, "alert HTTP response": 1, "alert DNS query": 1,
	"alert TLS": 10, "alert TLS to a name": 1, "alert PostgreSQL": 7,
	"http": 1, "fileinfo": 1, "dns": 2, "tls": 1, "pgsql": 3, "flow": 5, "stats": 1,
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	need(t)
	found, err := ReadFile(t.Context(), t.TempDir(), writePcap(t, inner()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ofConversation, kinds(found.Of(""))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	_, err = ReadFile(t.Context(), t.TempDir(), "nonesuch.pcap")
	if err == nil {
		t.Error("a file that is not there is read")
	}
}

// The same frames, live: the same events, and counters that add up.
func TestLive(t *testing.T) {
	t.Parallel()
	need(t)
	namespace := labtest.NewNamespace(t)
	pair, err := lab.NewPair(namespace, namespace, lab.VethOptions{NameA: "near", NameB: "far"})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := Start(t.Context(), namespace, t.TempDir(), pair.B.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer ids.Kill()
	sender := labtest.OpenSender(t, namespace, pair.A.Name)
	list := inner()
	for _, frame := range list {
		if err := sender.Send(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := ids.Await(t.Context(), map[string]uint64{"far": uint64(len(list))}); err != nil {
		t.Error(err)
	}
	found, err := ids.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ofConversation, kinds(found.Of("far"))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	n := uint64(len(list))
	if diff := cmp.Diff(map[string]Counters{"far": {Decoded: n, Kernel: n}}, found.Interfaces); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	offline, err := ReadFile(t.Context(), t.TempDir(), writePcap(t, list))
	if err != nil {
		t.Fatal(err)
	}
	if differences := Compare(offline.Of(""), found.Of("far")); len(differences) > 0 {
		t.Errorf("live against file:\n%s", Text(differences))
	}
}

// Suricata that cannot start says why.
func TestStartRefused(t *testing.T) {
	t.Parallel()
	need(t)
	namespace := labtest.NewNamespace(t)
	_, err := Start(t.Context(), namespace, t.TempDir(), "nonesuch0")
	if err == nil || !strings.Contains(err.Error(), "nonesuch0") {
		t.Errorf("got %v, want an error that names the interface", err)
	}
}

// The rules have names of their own, by which differences are told.
func TestRuleNames(t *testing.T) {
	t.Parallel()
	names := RuleNames()
	slices.Sort(names)
	if len(names) < 12 || len(slices.Compact(names)) != len(names) {
		t.Errorf("rules %q: want a dozen or more, each with a name of its own", names)
	}
}
