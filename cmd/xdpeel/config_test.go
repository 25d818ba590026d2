package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each word after config has a help of its own.
func TestConfigHelp(t *testing.T) {
	for _, word := range configVerbs {
		said := xdpeel(t, "", "config", word.name, "--help")
		if said.status != 0 || said.stderr != "" {
			t.Errorf("%s: status %d, stderr %q", word.name, said.status, said.stderr)
		}
		checkGolden(t, "usage-config-"+word.name+".txt", said.stdout)
		if !strings.Contains(configUsage, "\n  "+word.name+" ") {
			t.Errorf("usage of config does not have %s", word.name)
		}
	}
}

func TestConfigWrongUsage(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"config", "xdpeel: error: config: no word given\nxdpeel: hint: `xdpeel config --help` lists them\n"},
		{"config chek x", "xdpeel: error: unknown word \"chek\" after config\nxdpeel: hint: `xdpeel config --help` lists them\n"},
		{"config check", "xdpeel: error: config check takes one FILE, got 0\n"},
		{"config check a b", "xdpeel: error: config check takes one FILE, got 2\n"},
		{"config expand", "xdpeel: error: config expand needs an EXPRESSION, or --config FILE and --filter NAME\n"},
		{"config expand --config x", "xdpeel: error: --config and --filter go together\n"},
		{"config expand --filter x", "xdpeel: error: --config and --filter go together\n"},
		{"config expand --config x --filter y tcp", "xdpeel: error: config expand takes an expression or a filter, not both\n"},
		{"config expand tcp prt 80", "xdpeel: error: say what \"prt\" is: put host, net, port or the like before it\n" +
			"xdpeel: error:   tcp prt 80\nxdpeel: error:       ^\n"},
		{"config import-aws --sessions x", "xdpeel: error: config import-aws needs --sessions FILE and --filters FILE\n"},
		{"config import-aws --sessions x --filters y z", "xdpeel: error: config import-aws takes no arguments, got \"z\"\n"},
	} {
		said := xdpeel(t, "", strings.Fields(test.line)...)
		if said.status != 2 || said.stdout != "" || said.stderr != test.want {
			t.Errorf("%s: status %d, stdout %q\nsaid %q\nwant %q", test.line, said.status, said.stdout, said.stderr, test.want)
		}
	}
}

// writeConfig writes a configuration and returns its path.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "xdpeel.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigCheck(t *testing.T) {
	good := writeConfig(t, `sessions: [{vni: any, filter: web}, {vni: 7, outputs: []}]
filters:
  web: {ingress: [{rule: 1, action: accept}, {rule: 2, action: reject}], egress: [{rule: 1, action: accept}]}
outputs: {archive: {type: pcapng, path: x.pcapng.gz}}
`)
	said := xdpeel(t, "", "config", "check", good)
	if want := good + ": ok, 2 sessions, 1 filter, 3 rules, 1 output\n"; said.status != 0 || said.stdout != want || said.stderr != "" {
		t.Errorf("status %d, stdout %q, want %q\nsaid %q", said.status, said.stdout, want, said.stderr)
	}
	bad := writeConfig(t, "mode: fast\nsessions: [{vni: x}]\n")
	said = xdpeel(t, "", "config", "check", bad)
	want := "xdpeel: error: " + bad + ":1:7: mode \"fast\" is not auto, native or generic\n" +
		"xdpeel: error: " + bad + ":2:18: vni \"x\" is not a number from 0 to 16777215, or any\n"
	if said.status != 1 || said.stdout != "" || said.stderr != want {
		t.Errorf("status %d, stdout %q\nsaid %q\nwant %q", said.status, said.stdout, said.stderr, want)
	}
}

func TestConfigExpand(t *testing.T) {
	said := xdpeel(t, "", "config", "expand", "udp", "port 53")
	if said.status != 0 || said.stderr != "" {
		t.Errorf("status %d, stderr %q", said.status, said.stderr)
	}
	checkGolden(t, "expand-expression.txt", said.stdout)
	path := writeConfig(t, `filters:
  web: {ingress: [{rule: 20, action: accept, protocol: tcp, destination: 10.0.0.0/24, destination_ports: 443}, {rule: 3, action: reject, protocol: gre}]}
`)
	said = xdpeel(t, "", "config", "expand", "--config", path, "--filter", "web")
	if said.status != 0 || said.stderr != "" {
		t.Errorf("status %d, stderr %q", said.status, said.stderr)
	}
	checkGolden(t, "expand-filter.txt", said.stdout)
	said = xdpeel(t, "", "config", "expand", "--config", path, "--filter", "dns")
	if want := "xdpeel: error: filter \"dns\" is not in " + path + "; it has [\"web\"]\n"; said.status != 1 || said.stderr != want {
		t.Errorf("status %d, said %q, want %q", said.status, said.stderr, want)
	}
}

// What is imported passes the check, and never overwrites a file.
func TestConfigImport(t *testing.T) {
	aws := filepath.Join("..", "..", "config", "testdata")
	out := filepath.Join(t.TempDir(), "xdpeel.yaml")
	args := []string{
		"config", "import-aws", "--sessions", filepath.Join(aws, "import", "sessions.json"), "--filters", filepath.Join(aws, "filters.json"),
		"--interfaces", filepath.Join(aws, "import", "interfaces.json"),
	}
	printed := xdpeel(t, "", args...)
	written := xdpeel(t, "", append(args, "-o", out)...)
	text, err := os.ReadFile(out)
	if err != nil || printed.status != 0 || written.status != 0 || string(text) != printed.stdout || written.stdout != "" {
		t.Errorf("%v; printed %+v, written %+v", err, printed, written)
	}
	if !strings.Contains(written.stderr, "xdpeel: note: session tms-05 has no VirtualNetworkId: it is left out\n") {
		t.Errorf("said %q", written.stderr)
	}
	said := xdpeel(t, "", "config", "check", out)
	if want := out + ": ok, 3 sessions, 2 filters, 3 rules, 0 outputs\n"; said.status != 0 || said.stdout != want {
		t.Errorf("%+v, want %q", said, want)
	}
	again := xdpeel(t, "", append(args, "-o", out)...)
	if want := "xdpeel: error: write configuration: open " + out + ": file exists\n" +
		"xdpeel: hint: nothing is overwritten: name another file, and compare the two\n"; again.status != 1 || !strings.HasSuffix(again.stderr, want) {
		t.Errorf("%+v, want %q", again, want)
	}
	wrong := xdpeel(t, "", "config", "import-aws", "--sessions", filepath.Join(aws, "filters.json"), "--filters", filepath.Join(aws, "filters.json"))
	want := "xdpeel: error: read " + filepath.Join(aws, "filters.json") + ": read pages: not what `aws ec2 describe-traffic-mirror-sessions` prints\n"
	if wrong.status != 1 || wrong.stderr != want {
		t.Errorf("%+v, want %q", wrong, want)
	}
}
