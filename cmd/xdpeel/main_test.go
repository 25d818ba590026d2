package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update rewrites the golden files: go test ./cmd/xdpeel -update
var update = flag.Bool("update", false, "rewrite testdata")

// spoken is what one command line said and did.
type spoken struct {
	status         int
	stdout, stderr string
}

// xdpeel runs one command line.
func xdpeel(t *testing.T, stdin string, args ...string) spoken {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := &environment{stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr}
	status := execute(context.Background(), env, args)
	return spoken{status, stdout.String(), stderr.String()}
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestHelp(t *testing.T) {
	for _, word := range []string{"help", "--help", "-h"} {
		said := xdpeel(t, "", word)
		if said.status != 0 || said.stderr != "" {
			t.Errorf("%s: status %d, stderr %q", word, said.status, said.stderr)
		}
		checkGolden(t, "usage.txt", said.stdout)
	}
	for _, verb := range verbs() {
		said := xdpeel(t, "", verb.name, "--help")
		if said.status != 0 || said.stderr != "" {
			t.Errorf("%s --help: status %d, stderr %q", verb.name, said.status, said.stderr)
		}
		checkGolden(t, "usage-"+verb.name+".txt", said.stdout)
	}
}

// wrongUsage are command lines that cannot be understood, and what is said of each; "" where
// that is the library's.
var wrongUsage = []struct{ line, want string }{
	{"", "xdpeel: error: no verb given\nxdpeel: hint: `xdpeel help` lists the verbs\n"},
	{"peel", "xdpeel: error: unknown verb \"peel\"\nxdpeel: hint: `xdpeel help` lists the verbs\n"},
	{"doctor", "xdpeel: error: no interface given: -i IFACE\nxdpeel: hint: `ip -br link` lists them\n"},
	{"doctor -i lo --mode fast", "xdpeel: error: --mode is auto, native or generic, not \"fast\"\n"},
	{"doctor -i lo extra", "xdpeel: error: doctor takes no arguments, got \"extra\"\n"},
	{"run now", "xdpeel: error: run takes no arguments, got \"now\"\n"},
	{"run --log-format xml", "xdpeel: error: --log-format is text or json, not \"xml\"\n"},
	{"run --log-level loud", ""},
	{"reload now", "xdpeel: error: reload takes no arguments, got \"now\"\n"},
	{"status now", "xdpeel: error: status takes no arguments, got \"now\"\n"},
	{"status --url http://[", ""},
	{"capture", "xdpeel: error: no interface given: -i IFACE\nxdpeel: hint: `ip -br link` lists them\n"},
	{"capture -i lo --bogus", "xdpeel: error: unknown flag: --bogus\nxdpeel: hint: `xdpeel capture --help` tells the flags\n"},
	{"capture -i lo tcp prt 443", "xdpeel: error: say what \"prt\" is: put host, net, port or the like before it\n" +
		"xdpeel: error:   tcp prt 443\nxdpeel: error:       ^\n"},
	{"capture -i lo -c 0", "xdpeel: error: -c 0 captures nothing\n"},
	{"capture -i lo -s 13", "xdpeel: error: check snap length: 13 is not within 14 to 65535 bytes\n"},
	{"capture -i lo -s 262145", "xdpeel: error: -s 262145: at most 262144\n"},
	{"capture -i lo --mode fast", "xdpeel: error: --mode is auto, native or generic, not \"fast\"\n"},
	{"capture -i lo -C 1", "xdpeel: error: -C, -G and -W rotate files: they need -w FILE\n"},
	{"capture -i lo -w x -W 3", "xdpeel: error: -W limits the number of files: it needs -C or -G\n"},
	{"capture -i lo -w - -G 5", "xdpeel: error: -C and -G rotate files: -w - is none\n"},
	{"capture -i lo -w - --ledger -", "xdpeel: error: -w - and --ledger - cannot both have stdout\n"},
	{"capture -i lo -w x -C -5", ""},
	{"capture -i lo --vni 16777216", ""},
	{"capture -i lo --vxlan-ports 0", ""},
	{"capture -i lo --vxlan-ports 1,2,3,4,5,6,7,8,9", "xdpeel: error: check vxlan ports: 9 of them, at most 8 are allowed\n"},
	{"decap -r x", "xdpeel: error: decap needs -r IN and -w OUT\n"},
	{"decap -r x -w y icmp and vlan", ""},
	{"decap -r x -w y --config z icmp", "xdpeel: error: FILTER and --config cannot go together: the configuration has filters of its own\n"},
	{"decap -r x -w y --config z --vxlan-ports 1", "xdpeel: error: --vxlan-ports and --geneve-ports cannot go with --config, which names the ports itself\n"},
	{"explain", "xdpeel: error: explain needs a packet: -r CAPTURE, or --vni, --from, --proto, --src and --dst\n"},
	{"explain -r x --vni 5", "xdpeel: error: explain needs a packet: -r CAPTURE, or --vni, --from, --proto, --src and --dst\n"},
	{"explain -r x -n 0", "xdpeel: error: -n 0: frames are numbered from 1\n"},
	{"explain --vni 5 --from 10.0.0.1", "xdpeel: error: a packet needs --vni, --from, --proto, --src and --dst: --proto is missing\n"},
	{"explain --vni 5 --from x --proto tcp --src 1.1.1.1:1 --dst 2.2.2.2:2", "xdpeel: error: --from \"x\" is not an address\n"},
	{"explain --vni 5 --from 10.0.0.1 --proto x --src 1.1.1.1:1 --dst 2.2.2.2:2",
		"xdpeel: error: --proto is tcp, udp, icmp, icmp6, sctp or a number from 0 to 255, not \"x\"\n"},
	{"explain --vni 5 --from 10.0.0.1 --proto tcp --src 1.1.1.1 --dst 2.2.2.2:2", "xdpeel: error: --src 1.1.1.1 needs a port: 1.1.1.1:443\n"},
	{"explain --vni 5 --from 10.0.0.1 --proto icmp --src 1.1.1.1 --dst 2.2.2.2:2", "xdpeel: error: --dst 2.2.2.2:2 has a port, and the protocol has none\n"},
	{"explain --vni 5 --from 10.0.0.1 --proto tcp --src 1.1.1.1:1 --dst [::1]:2", "xdpeel: error: --src 1.1.1.1 and --dst ::1 are not of one IP version\n"},
	{"explain --vni 5 --from 10.0.0.1 --proto tcp --src 10.0.0.1:1 --dst 2.2.2.2:2 --direction ingress",
		"xdpeel: error: --direction ingress: by its addresses the packet is egress\n"},
	{"explain --vni 5 --from 10.0.0.1 --proto tcp --src 1.1.1.1:1 --dst 2.2.2.2:2 --direction in",
		"xdpeel: error: --direction is ingress or egress, not \"in\"\n"},
	{"detach", "xdpeel: error: no interface given: -i IFACE\n"},
	{"detach -i lo extra", "xdpeel: error: detach takes no arguments, got \"extra\"\n"},
	{"version now", "xdpeel: error: version takes no arguments, got \"now\"\n"},
}

// Wrong usage is status 2 and nothing on stdout.
func TestWrongUsage(t *testing.T) {
	for _, test := range wrongUsage {
		t.Run(test.line, func(t *testing.T) {
			said := xdpeel(t, "", strings.Fields(test.line)...)
			if said.status != 2 || said.stdout != "" {
				t.Errorf("status %d, stdout %q; want 2 and nothing", said.status, said.stdout)
			}
			if test.want != "" && said.stderr != test.want {
				t.Errorf("said %q, want %q", said.stderr, test.want)
			}
			if !strings.HasPrefix(said.stderr, "xdpeel: error: ") {
				t.Errorf("said %q", said.stderr)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	said := xdpeel(t, "", "version")
	lines := strings.Split(strings.TrimSpace(said.stdout), "\n")
	for i, prefix := range []string{"xdpeel ", "commit ", "go1.", "kernel object by clang 19."} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("line %d of %q, want %q...", i, lines, prefix)
		}
	}
}
