package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/safchain/ethtool"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/lab/suricata"
	"github.com/xdpeel/xdpeel/mirror"
)

// idsEnd is the consumer's end of the veth in these tests.
const idsEnd = "xdpeel0-ids"

// runForIDS starts the daemon with one output, the veth of an IDS.
func (w *wire) runForIDS(t *testing.T, ids *lab.Namespace, sessions, more string) *runningDaemon {
	t.Helper()
	return w.run(t, fmt.Sprintf("sessions: %s\noutputs:\n  ids: {type: veth, interface: xdpeel0, peer: %s, netns: %s%s}\n",
		sessions, idsEnd, ids.Name(), more))
}

// startSuricata starts Suricata on the consumer's end.
func startSuricata(t *testing.T, ids *lab.Namespace) *suricata.Live {
	t.Helper()
	live, err := suricata.Start(t.Context(), ids, t.TempDir(), idsEnd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(live.Kill)
	return live
}

// stopSuricata ends it once it has decoded so many packets.
func stopSuricata(t *testing.T, live *suricata.Live, packets int) *suricata.Findings {
	t.Helper()
	if err := live.Await(t.Context(), map[string]uint64{idsEnd: uint64(packets)}); err != nil {
		t.Error(err)
	}
	found, err := live.Stop()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// fromFrames is what `suricata -r` makes of frames in a file.
func fromFrames(t *testing.T, list [][]byte) []suricata.Event {
	t.Helper()
	path := filepath.Join(t.TempDir(), "frames.pcap")
	if err := os.WriteFile(path, pcap(list...), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := suricata.ReadFile(t.Context(), t.TempDir(), path)
	if err != nil {
		t.Fatal(err)
	}
	return found.Of("")
}

// offload switches GRO of the consumer's end, or asks for it.
func offload(t *testing.T, ids *lab.Namespace, change map[string]bool) (on bool) {
	t.Helper()
	err := ids.Do(func() error {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer tool.Close()
		if err := tool.Change(idsEnd, change); err != nil {
			return err
		}
		features, err := tool.Features(idsEnd)
		on = features["rx-gro"]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return on
}

// Suricata switches the offloads of its interface off when it starts and back on when
// it ends, ends as it may, and is away for a while: the interface is fed all the time.
func TestSuricataComesAndGoes(t *testing.T) {
	t.Parallel()
	needSuricata(t)
	w, ids := newWire(t), labtest.NewNamespace(t)
	d := w.runForIDS(t, ids, "[{vni: any}]", "")
	outer, inner := conversation()
	want := fromFrames(t, inner)
	if !offload(t, ids, map[string]bool{"rx-gro": true}) {
		t.Fatal("GRO cannot be switched on")
	}
	for range 2 {
		live := startSuricata(t, ids)
		if offload(t, ids, nil) {
			t.Error("Suricata has left GRO on: this test shows nothing")
		}
		w.send(t, outer...)
		found := stopSuricata(t, live, len(inner))
		if differences := suricata.Compare(want, found.Of(idsEnd)); len(differences) > 0 {
			t.Errorf("live against file:\n%s", suricata.Text(differences))
		}
		if !offload(t, ids, nil) {
			t.Error("Suricata has not switched GRO back on")
		}

		w.send(t, outer...) // for nobody
		live = startSuricata(t, ids)
		w.send(t, outer...)
		live.Kill()
		if offload(t, ids, nil) {
			t.Error("a Suricata that was killed has switched GRO back on")
		}
		offload(t, ids, map[string]bool{"rx-gro": true})
	}
	n := uint64(6 * len(inner))
	want6 := mirror.OutputAccount{Offered: n, Delivered: n, Lost: map[mirror.Loss]uint64{}}
	if diff := cmp.Diff(want6, d.finish(t).Outputs["ids"]); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

// What Suricata is too slow for, the kernel drops at its socket, and counts: with
// what it decoded, that is all that was delivered to the interface.
func TestSuricataTooSlow(t *testing.T) {
	t.Parallel()
	needSuricata(t)
	w, ids := newWire(t), labtest.NewNamespace(t)
	d := w.runForIDS(t, ids, "[{vni: any}]", "")
	live := startSuricata(t, ids)
	client := frames.Peer{Address: netip.MustParseAddr("198.51.100.23"), Port: 51034}
	server := frames.Peer{Address: mirrorSource, Port: 443}
	frame := frames.Wrap(frames.UDPFrame(client, server, frames.Payload(8000)), 1, mirrorSource, lab.Target)
	const packets = 2000 // its ring holds some 500 of them
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := live.Signal(signal); err != nil {
			t.Fatal(err)
		}
		w.send(t, slices.Repeat([][]byte{frame}, packets/2)...)
	}
	found := stopSuricata(t, live, packets)
	account, c := d.finish(t).Outputs["ids"], found.Interfaces[idsEnd]
	if c.Drops < 100 || c.Decoded+c.Drops != account.Delivered || c.Kernel != account.Delivered {
		t.Errorf("Suricata counts %+v, of %d delivered", c, account.Delivered)
	}
	want := mirror.OutputAccount{Offered: packets, Delivered: packets, Lost: map[mirror.Loss]uint64{}}
	if diff := cmp.Diff(want, account); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

// A daemon that is killed leaves its program and the veth, which goes on being fed; the
// next one takes both over, with all that was counted. Suricata notices nothing of it.
func TestSuricataOutlivesDaemon(t *testing.T) {
	t.Parallel()
	needSuricata(t)
	w, ids, pins, binary := newWire(t), labtest.NewNamespace(t), newPins(t), buildBinary(t)
	path := filepath.Join(t.TempDir(), "xdpeel.yaml")
	text := fmt.Sprintf("interfaces: [far]\nhttp: 127.0.0.1:0\npins: %s\nsessions: [{vni: any}]\n"+
		"outputs: {ids: {type: veth, interface: xdpeel0, peer: %s, netns: %s}}\n", pins, idsEnd, ids.Name())
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon := w.spawnDaemon(t, binary, path)
	defer w.detach(t, "--pins", pins)
	live := startSuricata(t, ids)
	outer, inner := conversation()
	third := len(outer) / 3
	w.send(t, outer[:third]...)
	daemon.end(syscall.SIGKILL)
	w.send(t, outer[third:2*third]...)
	daemon = w.spawnDaemon(t, binary, path)
	w.send(t, outer[2*third:]...)
	found := stopSuricata(t, live, len(inner))
	if differences := suricata.Compare(fromFrames(t, inner), found.Of(idsEnd)); len(differences) > 0 {
		t.Errorf("live against file:\n%s", suricata.Text(differences))
	}
	daemon.end(syscall.SIGTERM)
	want := fmt.Sprintf("output \"ids\": %d offered, %[1]d delivered, none lost\n", len(inner))
	if said := daemon.stderr.String(); !strings.Contains(said, want) {
		t.Errorf("the second daemon said %s, want %q", said, want)
	}
}

// Two tenants with the same addresses and ports, whose packets alternate: told apart
// by VLAN tags, each has its own flows, and none is taken for another's.
func TestSuricataTenants(t *testing.T) {
	t.Parallel()
	needSuricata(t)
	w, ids := newWire(t), labtest.NewNamespace(t)
	d := w.runForIDS(t, ids, "[{vni: 1, vlan: 101}, {vni: 2, vlan: 102}]", ", tag: vlan")
	var outer, tagged [][]byte
	for _, event := range lab.Conversation() {
		if event.Packet.Session != lab.Instances()[0].Session {
			continue // the other instance sees the same connections, cut
		}
		for tenant := range 2 {
			outer = append(outer, frames.Wrap(event.Packet.Data, uint32(1+tenant), mirrorSource, lab.Target))
			tagged = append(tagged, frames.Tagged(event.Packet.Data, frames.Tag{Control: uint16(101 + tenant)}))
		}
	}
	live := startSuricata(t, ids)
	w.send(t, outer...)
	found := stopSuricata(t, live, len(outer))
	d.finish(t)
	for _, difference := range suricata.Compare(fromFrames(t, tagged), found.Of(idsEnd)) {
		if causes, unexplained := explain(difference); unexplained || len(causes) != 3 {
			t.Errorf("live against file: %s", difference)
		}
	}
	for _, vlan := range []string{"101", "102"} {
		flows := make(map[string]int)
		for _, event := range found.Events {
			if event.Type == "flow" && event.Fields["vlan[0]"] == vlan {
				flows[event.Fields["app_proto"]]++
			}
		}
		if diff := cmp.Diff(map[string]int{"http": 1, "dns": 1, "pgsql": 1, "tls": 1, "": 1}, flows); diff != "" {
			t.Errorf("flows of VLAN %s (-want +got):\n%s", vlan, diff)
		}
	}
}

// The demo prints its alerts and a ledger that adds up, and leaves nothing behind.
func TestDemoSuricata(t *testing.T) {
	t.Parallel()
	needSuricata(t)
	cmd := exec.CommandContext(t.Context(), "../../scripts/demo-suricata.sh")
	cmd.Env = append(os.Environ(), "XDPEEL="+buildBinary(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	packets := len(lab.Conversation())
	for _, words := range []string{
		"TLS to shop.example.com: TCP 203.0.113.77:40812 -> 10.0.12.59:443\n", "6 packet that the mirror session cut\n",
		fmt.Sprintf("Suricata decoded %d packets; the kernel dropped 0.", packets),
		fmt.Sprintf("output \"ids\": %d offered, %[1]d delivered, none lost\n", packets),
	} {
		if !strings.Contains(string(out), words) {
			t.Errorf("the demo does not say %q, but %s", words, out)
		}
	}
	left, err := filepath.Glob(fmt.Sprintf("/run/netns/xdpeel-*-%d", cmd.Process.Pid))
	if err != nil || len(left) > 0 {
		t.Errorf("the demo has left the namespaces %v: %v", left, err)
	}
}
