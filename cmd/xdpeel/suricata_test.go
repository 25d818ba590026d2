package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/lab/suricata"
	"github.com/xdpeel/xdpeel/mirror"
)

// firstVNI is the session of the first capture; the next has the next.
const firstVNI = 4100

// tunnels are the ways in which AWS wraps what it mirrors.
var tunnels = []struct {
	name string
	wrap func(inner []byte, vni uint32) []byte
}{
	{"vxlan", func(inner []byte, vni uint32) []byte {
		return frames.Wrap(inner, vni, mirrorSource, lab.Target)
	}},
	{"gateway load balancer", func(inner []byte, vni uint32) []byte {
		return frames.WrapGWLB(inner, vni, mirrorSource, lab.Target, frames.GatewayLoadBalancer{
			Source: netip.MustParseAddr("10.0.99.1"), Destination: lab.Target,
			Endpoint: 0x0c5ed1a1f6a2b3c4, Attachment: 0x51, FlowCookie: 0x7e3a19c2,
		})
	}},
}

var mirrorSource = netip.MustParseAddr("10.0.12.59")

// What Suricata makes of traffic that xdpeel feeds it live is what it makes of the
// same frames live without xdpeel, and what `suricata -r` makes of them in a file but
// for what is Suricata's own. All that xdpeel delivered has come to it.
func TestSuricataFed(t *testing.T) {
	needSuricata(t)
	silent, groups := suricata.RuleNames(), 0
	for name, list := range map[string][]traffic{"inner": innerTraffic(t), "mirrored": mirroredTraffic(t)} {
		t.Run(name, func(t *testing.T) {
			var files map[string]*suricata.Findings
			var plain *suricata.Findings
			fed := make([]*suricata.Findings, len(tunnels))
			t.Run("feeds", func(t *testing.T) { // side by side: they mostly wait
				aside := func(name string, read func(*testing.T)) {
					t.Run(name, func(t *testing.T) { t.Parallel(); read(t) })
				}
				aside("files", func(t *testing.T) { files = readFiles(t, list) })
				aside("plain", func(t *testing.T) { plain = readPlain(t, list) })
				for i, tunnel := range tunnels {
					aside(tunnel.name, func(t *testing.T) { fed[i] = readFed(t, list, tunnel.wrap) })
				}
			})
			if t.Failed() {
				return
			}
			expectOwnDifferences(t, list, files, plain)
			for i, tunnel := range tunnels {
				for _, one := range list {
					if differences := suricata.Compare(plain.Of(one.iface), fed[i].Of(one.iface)); len(differences) > 0 {
						t.Errorf("%s in %s, fed by xdpeel against fed as it is:\n%s", one.name, tunnel.name, suricata.Text(differences))
					}
				}
			}
			groups++
			silent = slices.DeleteFunc(silent, func(rule string) bool { return fires(files, rule) })
		})
	}
	// No capture has these; PostgreSQL is in lab's conversation.
	want := []string{"wrong UDP checksum", "wrong UDP checksum over IPv6", "wrong ICMPv6 checksum", "PostgreSQL"}
	if diff := cmp.Diff(want, silent); groups == 2 && diff != "" {
		t.Errorf("rules that nothing fires (-want +got):\n%s", diff)
	}
}

// fires says whether a rule has fired on any of the captures.
func fires(files map[string]*suricata.Findings, rule string) bool {
	for _, found := range files {
		if slices.ContainsFunc(found.Events, func(e suricata.Event) bool { return e.Signature == rule }) {
			return true
		}
	}
	return false
}

// wrappedMTU has room for the longest frame of the captures, 9050 bytes, and two tunnels.
const wrappedMTU = 9216

// readFed has Suricata read the traffic from xdpeel, which gets it wrapped, in a
// session for each capture, and holds what xdpeel delivered against what came.
func readFed(t *testing.T, list []traffic, wrap func([]byte, uint32) []byte) *suricata.Findings {
	t.Helper()
	w, ids := newWireOf(t, wrappedMTU), labtest.NewNamespace(t)
	d := w.run(t, vethConfig(list, ids))
	found := readLive(t, ids, list, func() {
		sender, err := lab.OpenSender(w.near.Namespace, w.near.Name)
		if err != nil {
			t.Fatal(err)
		}
		defer sender.Close()
		for i, one := range list {
			one.send(t, sender, func(inner []byte) []byte { return wrap(inner, firstVNI+uint32(i)) })
		}
	})
	expectAccounts(t, list, found, d.finish(t))
	return found
}

// vethConfig has a session and an output of its own for each capture.
func vethConfig(list []traffic, ids *lab.Namespace) string {
	var sessions, outputs strings.Builder
	for i, one := range list {
		fmt.Fprintf(&sessions, "  - {vni: %d, outputs: [%s]}\n", firstVNI+i, one.iface)
		fmt.Fprintf(&outputs, "  %s: {type: veth, interface: peel%d, peer: %[1]s, mtu: 9216, netns: %[3]s}\n", one.iface, i, ids.Name())
	}
	return "sessions:\n" + sessions.String() + "outputs:\n" + outputs.String()
}

// expectAccounts holds xdpeel's account of each output against what was sent and what
// Suricata says came.
func expectAccounts(t *testing.T, list []traffic, found *suricata.Findings, ledger ledgerJSON) {
	t.Helper()
	for _, one := range list {
		n := uint64(len(one.frames))
		want := mirror.OutputAccount{Offered: n, Delivered: n, Lost: map[mirror.Loss]uint64{}}
		account := ledger.Outputs[one.iface]
		if diff := cmp.Diff(want, account); diff != "" {
			t.Errorf("%s, account of its output (-want +got):\n%s", one.name, diff)
		}
		if c := found.Interfaces[one.iface]; c.Decoded+c.Drops != account.Delivered {
			t.Errorf("%s: Suricata decoded %d packets and the kernel dropped %d, but xdpeel delivered %d",
				one.name, c.Decoded, c.Drops, account.Delivered)
		}
	}
}
