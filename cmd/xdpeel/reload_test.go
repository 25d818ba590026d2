package main

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

const everything = `
sessions: [{vni: any, outputs: [all]}]
outputs: {all: {type: pcapng, path: DIR/all.pcapng}}
`

// Two outputs take turns; a bad file changes nothing, and shows.
func TestRunReload(t *testing.T) {
	w := newWire(t)
	d := w.run(t, everything)
	outer, inner := conversation()
	w.send(t, outer...)
	const icmpOnly = `
sessions: [{vni: any, filter: icmp, outputs: [pings]}]
filters: {icmp: {expression: icmp}}
outputs: {pings: {type: pcapng, path: DIR/pings.pcapng}}
`
	d.reload(t, icmpOnly, "configuration reloaded")
	w.send(t, outer...)
	d.checkBadReloads(t)
	w.send(t, outer...)
	d.reload(t, everything, "configuration reloaded")
	if said := d.status(t); strings.Contains(said, "RELOAD FAILED") || !strings.Contains(said, "generation 3,") {
		t.Errorf("status says %q after a good reload", said)
	}
	w.send(t, outer...)

	ledger := d.finish(t)
	if diff := cmp.Diff(inner, readFrames(t, d.path("all.pcapng"))); diff != "" {
		t.Errorf("all.pcapng (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(inner, readFrames(t, d.path("all-1.pcapng"))); diff != "" {
		t.Errorf("all-1.pcapng, of the same output opened again (-want +got):\n%s", diff)
	}
	var pings [][]byte
	for range 2 {
		for _, frame := range inner {
			if frame[23] == 1 {
				pings = append(pings, frame)
			}
		}
	}
	if diff := cmp.Diff(pings, readFrames(t, d.path("pings.pcapng"))); diff != "" {
		t.Errorf("pings.pcapng (-want +got):\n%s", diff)
	}
	n := uint64(len(inner))
	want := map[string]mirror.OutputAccount{
		"all":   {Offered: 2 * n, Delivered: 2 * n, Lost: map[mirror.Loss]uint64{}},
		"pings": {Offered: uint64(len(pings)), Delivered: uint64(len(pings)), Lost: map[mirror.Loss]uint64{}},
	}
	if diff := cmp.Diff(want, ledger.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// checkBadReloads has the daemon refuse several configurations.
func (d *runningDaemon) checkBadReloads(t *testing.T) {
	t.Helper()
	for _, test := range []struct{ name, text, want string }{
		{"wrong key", daemonConfig("session: []\n"), `xdpeel.yaml:4:1: `},
		{"missing filter", daemonConfig("sessions: [{vni: 5, filter: nonesuch}]\n"), `filter \"nonesuch\" is not there; there is none" hint="` + "`xdpeel config check "},
		{"other interface", "interfaces: [eth9]\non_exit: detach\nhttp: 127.0.0.1:0\n" + everything, "interfaces cannot change while xdpeel runs: restart it\" hint=\"put the old value back, or restart xdpeel\""},
		{"other ports", daemonConfig("ports: {vxlan: [1]}\nmode: generic\n" + everything), "mode, ports cannot change"},
		{"unopenable output", daemonConfig(`outputs: {new: {type: pcapng, path: DIR/new.pcapng}, x: {type: pcapng, path: DIR/no/x.pcapng}}`), "no such file or directory\" hint=\"mend what it names, and reload again\""},
		{"unopenable veth", daemonConfig(`outputs: {x: {type: veth, interface: lo, peer: b}}`), "an interface of that name is not xdpeel's"},
	} {
		before := strings.Count(d.stderr.String(), "not reloaded")
		d.write(t, test.text)
		d.hangups <- syscall.SIGHUP
		labtest.Eventually(t, "refusal of "+test.name, func() bool { return strings.Count(d.stderr.String(), "not reloaded") > before })
		if said := d.stderr.String(); !strings.Contains(said, test.want) {
			t.Errorf("%s: log %q, want %q", test.name, said, test.want)
		}
		if said := d.status(t); !strings.Contains(said, "RELOAD FAILED at ") || !strings.Contains(said, "generation 2,") {
			t.Errorf("%s: status says %q", test.name, said)
		}
	}
	if _, err := os.Stat(d.path("new.pcapng")); err == nil {
		t.Error("a reload that failed left the file of an output")
	}
	if _, text := d.get(t, "/metrics"); !strings.Contains(text, "\nxdpeel_config_last_reload_successful 0\n") {
		t.Error("metrics do not tell the failed reload")
	}
}

// `xdpeel reload` comes back when the configuration is in effect, or was refused, with
// why. Without a daemon there is nobody to ask.
func TestReloadWaits(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control.sock")
	d := &runningDaemon{wire: newWire(t), dir: t.TempDir(), control: socket}
	d.start(t, daemonConfig(everything))
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: socket %v, want one of mode 0600", err, info)
	}
	for generation := 2; generation < 5; generation++ {
		said := xdpeel(t, "", "reload", "--control", socket)
		if want := fmt.Sprintf("auto on far, generation %d: 1 session, 0 filters, 0 rules, 1 output\n", generation); said.status != 0 || said.stdout != want || said.stderr != "" {
			t.Errorf("%+v, want %q", said, want)
		}
		if said := d.status(t); !strings.Contains(said, fmt.Sprintf("generation %d,", generation)) {
			t.Errorf("status says %q", said)
		}
	}
	for _, test := range []struct{ text, want, hint string }{
		{daemonConfig("session: []\nmod: native\n"), "xdpeel.yaml:5:1: ", "`xdpeel config check " + d.path("xdpeel.yaml") + "` says what is wrong with the file\n"},
		{"interfaces: [eth9]\non_exit: detach\nhttp: 127.0.0.1:0\n" + everything, "xdpeel.yaml: interfaces cannot change while xdpeel runs: restart it\n", "put the old value back, or restart xdpeel\n"},
		{daemonConfig("outputs: {x: {type: pcapng, path: DIR/no/x.pcapng}}"), "open output \"x\": ", "mend what it names, and reload again\n"},
	} {
		d.write(t, test.text)
		said := xdpeel(t, "", "reload", "--control", socket)
		if said.status != 1 || said.stdout != "" || !strings.HasPrefix(said.stderr, "xdpeel: error: ") ||
			!strings.Contains(said.stderr, test.want) || !strings.HasSuffix(said.stderr, "\nxdpeel: hint: "+test.hint) {
			t.Errorf("%+v, want %q and %q", said, test.want, test.hint)
		}
	}
	d.finish(t)
	said := xdpeel(t, "", "reload", "--control", socket)
	if want := "no such file or directory\nxdpeel: hint: is `xdpeel run --control " + socket + "` running"; said.status != 1 || !strings.Contains(said.stderr, want) {
		t.Errorf("without a daemon: %+v", said)
	}
}

// Who waits when the daemon ends is told so.
func TestReloadWithoutAnswer(t *testing.T) {
	t.Parallel()
	c, err := openControl(filepath.Join(t.TempDir(), "control.sock"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan spoken)
	go func() { said <- xdpeel(t, "", "reload", "--control", c.door.path) }()
	<-c.reloads
	if err := c.close(); err != nil {
		t.Error(err)
	}
	if got := <-said; got.status != 1 || !strings.Contains(got.stderr, "it ended before it had an answer") {
		t.Errorf("%+v", got)
	}
}

// Whatever the moment of a reload, each packet is in the file of one policy or of
// the other, in order, and none is lost.
func TestRunReloadUnderTraffic(t *testing.T) {
	w := newWire(t)
	const turns = 20
	to := func(name string) string {
		return fmt.Sprintf("sessions: [{vni: any, outputs: [%s]}]\noutputs: {%[1]s: {type: pcapng, path: DIR/%[1]s.pcapng}}\n", name)
	}
	d := w.run(t, to("a"))
	load := w.sendUnceasingly(t)
	for turn := range turns {
		d.reload(t, to([]string{"b", "a"}[turn%2]), "configuration reloaded")
	}
	total := load()
	ledger := d.finish(t)
	seen := make([]bool, total)
	for _, name := range []string{"a", "b"} {
		paths, err := filepath.Glob(d.path(name + "*.pcapng"))
		if err != nil || len(paths) < 2 {
			t.Fatalf("files %v of output %s, want one for every time it was opened", paths, name)
		}
		for _, path := range paths {
			for _, n := range numbersIn(t, path) {
				if seen[n] {
					t.Fatalf("%s: packet %d stands in another file, too", path, n)
				}
				seen[n] = true
			}
		}
	}
	if i := slices.Index(seen, false); i >= 0 || ledger.Outcomes["delivered"] != total {
		t.Errorf("packet %d is in no file; ledger %+v", i, ledger)
	}
}

// sendUnceasingly sends numbered packets as fast as it goes, until the function that it
// returns is called: that says how many there were.
func (w *wire) sendUnceasingly(t *testing.T) (end func() uint64) {
	t.Helper()
	sender := labtest.OpenSender(t, w.near.Namespace, w.near.Name)
	frame := frames.Wrap(make([]byte, 60), 1, netip.MustParseAddr("10.0.0.1"), lab.Target)
	ended, sent := make(chan struct{}), make(chan uint64)
	go func() {
		for n := uint64(0); ; n++ {
			select {
			case <-ended:
				sent <- n
				return
			default:
			}
			binary.BigEndian.PutUint64(frame[len(frame)-8:], n)
			if err := sender.Send(frame); err != nil {
				t.Error(err)
			}
		}
	}()
	return func() uint64 {
		close(ended)
		return <-sent
	}
}
