package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/corpus"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

const explainConfig = "testdata/explain.yaml"

// asked are mirrored packets that ask for each kind of answer: the conversation's
// first, then those of sessions and kinds that it does not have.
func asked() [][]byte {
	outer, _ := conversation()
	web1 := netip.MustParseAddr("10.0.12.59")
	client, server := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	datagram := frames.UDP{Source: 5432, Destination: 5353}.Datagram(client, server, []byte("hello"))
	packet := frames.IP{Source: client, Destination: server, Protocol: frames.ProtocolUDP}.Packet(datagram)
	unaddressed := frames.Ethernet(frames.MAC{2, 0, 0, 0, 0, 9}, frames.MAC{2, 0, 0, 0, 0, 8}, frames.EtherTypeIPv4, packet)
	fromWeb := frames.Ethernet(frames.MAC{2, 0, 0, 0, 0, 9}, frames.MAC{0x0a, 0x5e, 0x21, 0x7c, 0x90, 0x3b}, frames.EtherTypeIPv4, packet)
	toDatabase := frames.Ethernet(frames.MAC{0x0a, 0x13, 0xd8, 0x45, 0x6e, 0xf7}, frames.MAC{2, 0, 0, 0, 0, 8}, frames.EtherTypeIPv4, packet)
	return append(outer,
		frames.Wrap(unaddressed, 12345, web1, lab.Target),
		frames.Wrap(fromWeb, 12345, web1, lab.Target),
		frames.Wrap(toDatabase, 7340033, netip.MustParseAddr("10.0.7.20"), lab.Target),
		frames.Wrap(unaddressed, 99, web1, lab.Target),
		frames.Wrap(unaddressed, 98, web1, lab.Target),
		frames.Wrap(unaddressed, 98, netip.MustParseAddr("172.16.0.1"), lab.Target),
		unaddressed,
	)
}

func TestExplainCapture(t *testing.T) {
	capture := string(pcap(asked()...))
	for name, flags := range map[string]string{"whole": "", "brief": "--brief", "one": "-n 3", "last": "-n 63"} {
		said := xdpeel(t, capture, strings.Fields("explain --config "+explainConfig+" -r - "+flags)...)
		if said.status != 0 {
			t.Fatalf("%s: status %d, stderr %q", name, said.status, said.stderr)
		}
		if want := "xdpeel: 1 frames are not mirrored packets\n"; said.stderr != want && flags != "-n 3" && flags != "-n 63" {
			t.Errorf("%s: said %q, want %q", name, said.stderr, want)
		}
		checkGolden(t, "explain-"+name+".txt", said.stdout)
	}
	said := xdpeel(t, capture, strings.Fields("explain --config "+explainConfig+" -r - -n 64")...)
	if want := "xdpeel: error: read stdin: there is no frame 64, the last is 63\n"; said.status != 1 || !strings.HasSuffix(said.stderr, want) {
		t.Errorf("status %d, said %q, want %q", said.status, said.stderr, want)
	}
}

// failingWriter takes nothing.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// Who reads the first lines alone has had enough; anything else says what could not be done.
func TestExplainToNobody(t *testing.T) {
	for err, want := range map[error]string{
		syscall.EPIPE:  "",
		syscall.ENOSPC: "xdpeel: error: explain frame 1: no space left on device\n",
	} {
		var stderr bytes.Buffer
		env := &environment{stdin: bytes.NewReader(pcap(asked()...)), stdout: failingWriter{err}, stderr: &stderr}
		status := execute(t.Context(), env, strings.Fields("explain --config "+explainConfig+" -r -"))
		if (status == 0) != (want == "") || stderr.String() != want {
			t.Errorf("%v: status %d, said %q, want %q", err, status, stderr.String(), want)
		}
	}
}

func TestExplainTuple(t *testing.T) {
	var all strings.Builder
	for _, line := range []string{
		"--vni 12345 --from 10.0.12.59 --proto tcp --src 198.51.100.23:51034 --dst 10.0.12.59:80",
		"--vni 12345 --from 10.0.12.59 --proto tcp --src 203.0.113.5:51034 --dst 10.0.12.59:80",
		"--vni 12345 --from 10.0.12.59 --proto udp --src 10.0.12.59:53 --dst 8.8.8.8:53",
		"--vni 12345 --from 10.0.12.59 --proto 47 --src 1.1.1.1 --dst 2.2.2.2",
		"--vni 12345 --from 10.0.12.59 --proto tcp --src 1.1.1.1:1 --dst 2.2.2.2:90 --direction ingress --tagged",
		"--vni 7340033 --from 2001:db8::1 --proto tcp --src [2001:db8::1]:5432 --dst [2001:db8::2]:40000",
		"--vni 99 --from 10.1.1.1 --proto icmp --src 10.1.1.1 --dst 10.1.1.2",
		"--vni 1 --from 10.1.1.1 --proto icmp --src 10.1.1.1 --dst 10.1.1.2",
		"--vni 1 --from 192.0.2.1 --proto icmp --src 10.1.1.1 --dst 10.1.1.2",
	} {
		said := xdpeel(t, "", strings.Fields("explain --config "+explainConfig+" "+line)...)
		if said.status != 0 || said.stderr != "" {
			t.Errorf("%s: status %d, stderr %q", line, said.status, said.stderr)
		}
		fmt.Fprintf(&all, "$ xdpeel explain %s\n%s\n", line, said.stdout)
	}
	checkGolden(t, "explain-tuple.txt", all.String())
}

// checkExplanations wants of every mirrored packet that the explanation comes to
// what a judge of its own makes of it.
func checkExplanations(t *testing.T, c *config.Config, list [][]byte) (outcomes map[abi.Outcome]int) {
	t.Helper()
	w, err := newWitness(bytes.NewReader(pcap()), "none", c)
	if err != nil {
		t.Fatal(err)
	}
	judge, err := mirror.NewDecapsulator(c.Judge, c.Policy)
	if err != nil {
		t.Fatal(err)
	}
	e := &explainer{config: c, out: io.Discard}
	outcomes = make(map[abi.Outcome]int)
	for i, frame := range list {
		judged, seen := w.judge.Judge(frame, len(frame)), w.observer.Judge(frame, len(frame))
		want := judge.Judge(frame, len(frame))
		if seen.Outcome != abi.OutcomeDelivered {
			continue
		}
		q := w.question(&judged, &seen)
		if answer := e.answer(&q, judged.Outcome); answer.outcome != want.Outcome {
			t.Errorf("frame %d: explained as %s, judged %s", i+1, answer.outcome, want.Outcome)
		}
		direction, _ := directionByAddress(q.session, &q.headers)
		if isWanted := want.Packet.Session.Source.IsValid(); isWanted && direction != abi.DirectionUnknown && direction != want.Packet.Direction {
			t.Errorf("frame %d: explained as %s, judged %s", i+1, direction, want.Packet.Direction)
		}
		outcomes[want.Outcome]++
	}
	return outcomes
}

func TestExplanationsAreTheReferences(t *testing.T) {
	c, err := config.Load(explainConfig, nil)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := checkExplanations(t, c, asked())
	for _, outcome := range []abi.Outcome{abi.OutcomeDelivered, abi.OutcomeFiltered, abi.OutcomeSampledOut, abi.OutcomeUnknownSession, abi.OutcomeDeniedSource} {
		if outcomes[outcome] == 0 {
			t.Errorf("no packet is %s: it proves nothing", outcome)
		}
	}
}

func TestExplanationsOfTheCorpus(t *testing.T) {
	captures, err := corpus.Mirrored()
	if errors.Is(err, corpus.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("test.yaml", []byte(`
sessions: [{vni: any, filter: some, sample: {one_in: 2, by: flow}, snaplen: headers}]
filters: {some: {expression: "not tcp port 80 and not arp"}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	explained := 0
	for _, capture := range captures {
		var list [][]byte
		for _, frame := range capture.Frames {
			if len(frame.Data) == frame.WireLength {
				list = append(list, frame.Data)
			}
		}
		c.Judge.VXLANPorts = capture.Ports.VXLAN
		for _, n := range checkExplanations(t, c, list) {
			explained += n
		}
	}
	if explained == 0 {
		t.Error("nothing was explained")
	}
}

func TestExplainBadInput(t *testing.T) {
	dir := t.TempDir()
	bad, text := filepath.Join(dir, "bad.yaml"), filepath.Join(dir, "text")
	for path, content := range map[string]string{bad: "sessions:\n  - {vni: 5, fliter: web}\n", text: "no capture"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ line, want string }{
		{"--config " + bad + " -r " + text, "xdpeel: error: " + bad + ":2:14: "},
		{"--config " + explainConfig + " -r " + text, "xdpeel: error: read " + text + ": "},
		{"--config " + explainConfig + " -r " + dir + "/nonesuch", "no such file"},
		{"--config " + dir + "/nonesuch -r " + text, "no such file"},
	} {
		said := xdpeel(t, "", strings.Fields("explain "+test.line)...)
		if said.status != 1 || said.stdout != "" || !strings.Contains(said.stderr, test.want) {
			t.Errorf("%s: status %d, said %q, want %q", test.line, said.status, said.stderr, test.want)
		}
	}
}
