package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

const twoSessions = `
sessions:
  - {vni: 12345, source: 10.0.12.59, name: web-1, filter: web, outputs: [archive]}
  - {vni: 7340033, name: databases, sample: {one_in: 2, by: flow}, snaplen: 90, outputs: [archive, headers]}
filters:
  web:
    ingress: [{rule: 100, action: accept, protocol: tcp, destination_ports: 80}, {rule: 200, action: accept, protocol: icmp}]
    egress: [{rule: 100, action: accept, protocol: tcp, source_ports: 80-443}]
outputs:
  archive: {type: pcapng, path: DIR/archive.pcapng}
  headers: {type: pcapng, path: DIR/headers.pcapng, snaplen: headers, sample: {one_in: 2, by: packet}}
`

// stranger is a mirrored packet of a session that no configuration here has.
func stranger() []byte {
	packet := lab.Conversation()[0].Packet
	return frames.Wrap(packet.Data, 555, packet.Session.Source, lab.Target)
}

// What arrives in each file, and the ledger, are what the reference says of the
// same frames and the same configuration.
func TestRun(t *testing.T) {
	w := newWire(t)
	d := w.run(t, twoSessions)
	outer, _ := conversation()
	sent := append(outer, stranger())
	w.send(t, sent...)
	archive, headers, want := d.expect(t, sent)

	labtest.Eventually(t, "all packets are judged", func() bool { return d.statusLedger(t).Received == uint64(len(sent)) })
	ledger := d.finish(t)
	if diff := cmp.Diff(archive, readFrames(t, d.path("archive.pcapng"))); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(headers, readFrames(t, d.path("headers.pcapng"))); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, ledger); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	for _, name := range []string{"web-1", "databases"} {
		if text, err := os.ReadFile(d.path("archive.pcapng")); err != nil || !strings.Contains(string(text), name) {
			t.Errorf("%v: archive.pcapng does not name the session %s", err, name)
		}
	}
}

// expect has the reference judge frames by the daemon's configuration.
func (d *runningDaemon) expect(t *testing.T, sent [][]byte) (archive, headers [][]byte, want ledgerJSON) {
	t.Helper()
	c, err := config.Load(d.path("xdpeel.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	judge, err := mirror.NewDecapsulator(c.Judge, c.Policy)
	if err != nil {
		t.Fatal(err)
	}
	first, second := &mirror.OutputAccount{Lost: map[mirror.Loss]uint64{}}, &mirror.OutputAccount{Lost: map[mirror.Loss]uint64{}}
	for _, frame := range sent {
		judged := judge.Judge(frame, len(frame))
		if judged.Outcome != abi.OutcomeDelivered {
			continue
		}
		data := judged.Packet.Data
		if judged.Packet.Outputs.Has(c.Outputs[0].Slot) {
			archive = append(archive, data)
			first.Offered++
			first.Delivered++
		}
		if judged.Packet.Outputs.Has(c.Outputs[1].Slot) {
			if second.Offered++; second.Offered%2 == 0 { // its sampling keeps the odd ones
				second.Lose("sampled_out", 1)
				continue
			}
			headers = append(headers, data[:min(len(data), mirror.ReadHeaders(data).End)])
			second.Delivered++
		}
	}
	ledger := judge.Ledger()
	ledger.Name(c.Policy)
	ledger.Interface, ledger.Mode = "far", "native"
	ledger.Outputs = map[string]*mirror.OutputAccount{"archive": first, "headers": second}
	return archive, headers, ledgerRead(t, ledger)
}

// ledgerRead is a ledger as its JSON is read.
func ledgerRead(t *testing.T, ledger *mirror.Ledger) (read ledgerJSON) {
	t.Helper()
	text, err := json.Marshal(ledger)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestRunPages(t *testing.T) {
	w := newWire(t)
	d := w.run(t, twoSessions)
	outer, _ := conversation()
	w.send(t, append(outer, stranger(), stranger())...)
	n := uint64(len(outer) + 2)
	labtest.Eventually(t, "all packets are judged", func() bool { return d.statusLedger(t).Received == n })

	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if status, text := d.get(t, path); status != http.StatusOK || text != want {
			t.Errorf("%s: %d %q, want 200 %q", path, status, text, want)
		}
	}
	_, metrics := d.get(t, "/metrics")
	for _, line := range []string{
		fmt.Sprintf("xdpeel_received_packets_total %d", n), `xdpeel_packets_total{outcome="unknown_session"} 2`,
		`xdpeel_attached{interface="far",mode="native"} 1`, "xdpeel_sessions 2", "xdpeel_config_last_reload_successful 1",
		`xdpeel_output_lost_packets_total{output="archive",reason="disk_full"} 0`,
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("metrics have no line %q", line)
		}
	}
	ledger := d.statusLedger(t)
	if len(ledger.Unknown) != 1 || ledger.Unknown[0].VNI != 555 || ledger.Unknown[0].Packets != 2 {
		t.Errorf("unknown sessions %+v, want VNI 555 with 2 packets", ledger.Unknown)
	}
	said := d.status(t)
	for _, words := range []string{
		"configuration " + d.path("xdpeel.yaml") + ", generation 1, in effect since ",
		fmt.Sprintf("far, native: %d frames received\n", n),
		"session vni 12345 from 10.0.12.59 (web-1):", "unknown vni 555 from 10.0.12.59:  2 packets",
		"add {vni: 555, source: 10.0.12.59} to its sessions", " filtered", " ago",
	} {
		if !strings.Contains(said, words) {
			t.Errorf("status does not say %q, but %q", words, said)
		}
	}
	d.finish(t)
}

// Packets of two interfaces come to one ledger and one file, in order of time.
func TestRunTwoInterfaces(t *testing.T) {
	w := newWire(t)
	pair, err := lab.NewPair(w.near.Namespace, w.far.Namespace, lab.VethOptions{NameA: "near2", NameB: "far2", MTU: 9001, OffloadsOff: true})
	if err != nil {
		t.Fatal(err)
	}
	second := &wire{pair.A, pair.B}
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.start(t, "interfaces: [far, far2]\non_exit: detach\nmode: generic\nhttp: 127.0.0.1:0\n"+everything)
	outer, inner := conversation()
	for _, frame := range outer {
		w.send(t, frame)
		second.send(t, frame)
	}
	ledger := d.finish(t)
	var want [][]byte
	for _, frame := range inner {
		want = append(want, frame, frame)
	}
	if diff := cmp.Diff(want, readFrames(t, d.path("all.pcapng"))); diff != "" {
		t.Errorf("inner frames (-want +got):\n%s", diff)
	}
	if ledger.Interface != "far,far2" || ledger.Mode != "generic" || ledger.Received != uint64(len(want)) {
		t.Errorf("ledger %+v, want far,far2, generic and %d received", ledger, len(want))
	}
}

// Signals, in a process of its own.
func TestRunSignals(t *testing.T) {
	w := newWire(t)
	d := &runningDaemon{wire: w, dir: t.TempDir()}
	d.write(t, daemonConfig(everything))
	p := w.spawn(t, exec.Command(buildBinary(t), "run", "--config", d.path("xdpeel.yaml")))
	p.await("msg=listening")
	outer, inner := conversation()
	w.send(t, outer...)
	p.signal(syscall.SIGHUP)
	p.await("configuration reloaded")
	w.send(t, outer...)
	p.end(syscall.SIGTERM)
	if want := fmt.Sprintf("output \"all\": %d offered, %[1]d delivered, none lost\n", 2*len(inner)); !strings.Contains(p.stderr.String(), want) {
		t.Errorf("said %s, want %q", p.stderr, want)
	}
}

// A daemon that cannot do what its configuration says does not begin, and leaves
// nothing behind.
func TestRunRefusals(t *testing.T) {
	w := newWire(t)
	for _, test := range []struct{ name, text, want string }{
		{"no interface", "http: 127.0.0.1:0\n" + everything, "xdpeel.yaml: no interfaces: name those where mirrored packets arrive\n"},
		{"absent interface", "interfaces: [nonesuch0, nonesuch1]\non_exit: detach\nhttp: 127.0.0.1:0\n" + everything, `find interface "nonesuch0": no such interface`},
		{"veth of another's name", daemonConfig("outputs: {ids: {type: veth, interface: lo, peer: b}}\n"), `open output "ids": make veth "lo": an interface of that name is not xdpeel's`},
		{"veth with too many queues", daemonConfig("outputs: {ids: {type: veth, interface: a, peer: b, queues: 4096}}\n"), `open output "ids": 4096 queues, but this host has `},
		{"unopenable", daemonConfig(`outputs: {a: {type: pcapng, path: DIR/all.pcapng}, x: {type: pcapng, path: DIR/no/x.pcapng}}`), "no such file or directory"},
		{"device", daemonConfig("outputs: {a: {type: pcapng, path: /dev/null}}"), `open output "a": /dev/null is not a regular file`},
		{"address", "interfaces: [far]\non_exit: detach\nhttp: 192.0.2.1:80\n" + everything, "listen on 192.0.2.1:80: "},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "xdpeel.yaml")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(test.text, "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
		r := w.launch(t, &environment{stdout: io.Discard, hangups: func() <-chan os.Signal { return nil }}, "run", "--config", path)
		r.end(1)
		if said := r.stderr.String(); !strings.Contains(said, "xdpeel: error: ") || !strings.Contains(said, test.want) {
			t.Errorf("%s: said %q, want %q", test.name, said, test.want)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 1 {
			t.Errorf("%s: left %v behind", test.name, left)
		}
	}
}
