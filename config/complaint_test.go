package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mistake is a wrong file, and all that is said of it.
type mistake struct{ text, want string }

func checkMistakes(t *testing.T, mistakes []mistake) {
	t.Helper()
	for _, test := range mistakes {
		_, err := Parse("f", []byte(test.text), nil)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s\n got %v\nwant %s", test.text, err, test.want)
		}
	}
}

// What is not YAML, more than one document, and mappings that are none.
func TestComplaintsOfYAML(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{"a: [", "f:2:1: not YAML: did not find expected node content"},
		{"a: b: c", "f:1:5: not YAML: mapping values are not allowed in this context"},
		{"sessions: *x", "f:1:11: not YAML: unknown anchor 'x' referenced"},
		{"\x00", "f:1:1: not YAML: control characters are not allowed (value: 0)"},
		{"{}\n---\n{}\n", "f:2:1: a second document begins here; a configuration is one"},
		{"[]", "f:1:1: a configuration is a mapping of the keys interfaces, mode, ports, allow_sources, unknown_sessions, seed, sessions, filters, outputs, buffer, http, health, drain, on_exit, pins"},
		{"ports: {vxlam: []}", `f:1:9: unknown key "vxlam"; ports has vxlan, geneve`},
		{"<<: {mode: auto}", `f:1:1: unknown key "<<"; a configuration has interfaces, mode, ports, allow_sources, unknown_sessions, seed, sessions, filters, outputs, buffer, http, health, drain, on_exit, pins`},
		{"mode: auto\n\nmode: auto", `f:3:1: key "mode" is there twice, first in line 1`},
		{"? [a]\n: 1", "f:1:3: a key is a word, not a list, a mapping or an alias"},
	})
}

// The file's own keys.
func TestComplaintsOfFile(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{"interfaces: ens5", "f:1:13: interfaces is a list, as in [ens5]"},
		{"interfaces: [a, 'b c', a]", "f:1:17: interface \"b c\" is not the name of an interface\nf:1:24: interface \"a\" is there twice, first in line 1"},
		{"interfaces: [sixteen-letters-]", `f:1:14: interface "sixteen-letters-" is not the name of an interface`},
		{"mode: !!str auto", "f:1:7: tag !!str: tags are not used here"},
		{"mode: fast", `f:1:7: mode "fast" is not auto, native or generic`},
		{"mode:", "f:1:6: mode is empty"},
		{"mode: [auto]", "f:1:7: mode is one value, not a list or a mapping"},
		{"ports: {vxlan: [0, 4789, x]}", "f:1:17: vxlan port \"0\" is not a number from 1 to 65535\nf:1:26: vxlan port \"x\" is not a number from 1 to 65535"},
		{"ports: {geneve: [1, 2, 3, 4, 5, 6, 7, 8, 9]}", "f:1:42: geneve has more than 8 ports"},
		{"allow_sources: [10.0.0.1/8]", "f:1:17: allow_sources 10.0.0.1/8 has bits behind its prefix: 10.0.0.0/8"},
		{"allow_sources: ['::ffff:10.0.0.0/104']", "f:1:17: allow_sources ::ffff:10.0.0.0/104 holds IPv4 addresses: write it as an IPv4 network"},
		{"unknown_sessions: maybe", `f:1:19: unknown_sessions "maybe" is not pass or drop`},
		{"seed: -1", `f:1:7: seed "-1" is not a number from 0 to 18446744073709551615`},
		{"buffer: 1MiB", `f:1:9: buffer 1MiB is less than 4MiB`},
		{"http: here", `f:1:7: http "here" is not an address and port, as 127.0.0.1:9478`},
		{"http: here:70000", `f:1:7: http "here:70000" is not an address and port, as 127.0.0.1:9478`},
		{"on_exit: stay", `f:1:10: on_exit "stay" is not keep or detach`},
	})
}

func TestComplaintsOfSessions(t *testing.T) {
	t.Parallel()
	const session = "sessions: [{vni: 1, "
	checkMistakes(t, []mistake{
		{"sessions: [7]", "f:1:12: a session is a mapping of the keys vni, source, name, mac, filter, sample, snaplen, outputs, share, vlan"},
		{"sessions: [{name: x}]", "f:1:12: a session needs the key vni, a number or any"},
		{"sessions: [{vni: 16777216}]", `f:1:18: vni "16777216" is not a number from 0 to 16777215, or any`},
		{"sessions: [{vni: any}, {vni: any}]", "f:1:30: the default session is there twice, first in line 1"},
		{"sessions:\n- vni: 1\n- vni: 0x1\n- vni: 1", "f:3:8: session vni 1 from any source is there twice, first in line 2\nf:4:8: session vni 1 from any source is there twice, first in line 2"},
		{"sessions: [{vni: 1, source: 10.0.0.1}, {vni: 1, source: '::ffff:10.0.0.1'}]", "f:1:46: session vni 1 from 10.0.0.1 is there twice, first in line 1"},
		{"sessions: [{vni: any, source: 10.0.0.1}]", "f:1:31: source: the default session is that of any source"},
		{"sessions: [{vni: any, mac: 0a:00:00:00:00:01}]", "f:1:28: mac: the default session is that of many interfaces"},
		{"sessions: [{vni: 1, name: x}, {vni: 2, name: x}]", `f:1:46: name "x" is there twice, first in line 1`},
		{session + `name: "a\tb"}]`, `f:1:27: name "a\tb" has characters that cannot be printed`},
		{session + "source: fe80::1%eth0}]", `f:1:29: source "fe80::1%eth0" is not an address; leave the key out for any`},
		{session + "mac: 01:00:00:00:00:01}]", `f:1:26: mac "01:00:00:00:00:01" is not the MAC address of an interface, as 0a:1b:2c:3d:4e:5f`},
		{session + "mac: 00:00:00:00:00:00}]", `f:1:26: mac "00:00:00:00:00:00" is not the MAC address of an interface, as 0a:1b:2c:3d:4e:5f`},
		{session + "filter: x}]", `f:1:29: filter "x" is not there; there is none`},
		{session + "outputs: archive}]", "f:1:30: outputs is a list, as in [archive]"},
		{session + "outputs: [a, a, b]}]\noutputs: {a: {type: pcapng, path: x}}", "f:1:34: output \"a\" is there twice\nf:1:37: output \"b\" is not there; there is a"},
		{session + "sample: {by: flow}}]", "f:1:29: sample needs the key one_in"},
		{session + "sample: {one_in: 0, by: hash}}]", "f:1:38: one_in \"0\" is not a number from 1 to 4294967295\nf:1:45: by \"hash\" is not packet or flow"},
		{session + "snaplen: 13}]", `f:1:30: snaplen "13" is not a number from 14 to 65535, or headers`},
	})
}

// The sessions that name a wrong filter are not wrong too.
func TestComplaintsOfFilters(t *testing.T) {
	t.Parallel()
	const session = "sessions: [{vni: 1, "
	checkMistakes(t, []mistake{
		{session + "filter: f}]\nfilters: {f: {}}", `f:2:11: filter "f": a filter has ingress and egress, or expression, or aws and id`},
		{"filters: {f: {expression: tcp, ingress: []}}", `f:1:11: filter "f": a filter has ingress and egress, or expression, or aws and id`},
		{"filters: {f: {aws: x}}", `f:1:11: filter "f": a filter has ingress and egress, or expression, or aws and id`},
		{"filters: {f: 3}", "f:1:14: a filter is a mapping of the keys ingress, egress, expression, aws, id"},
		{"filters: [f]", "f:1:10: filters is a mapping of names to filters"},
		{"filters: {f: {ingress: []}, f: {ingress: []}}", `f:1:29: filter "f" is there twice, first in line 1`},
		{"filters: {f: {expression: ''}}", "f:1:27: expression is empty"},
		{"filters: {f: {expression: ' '}}", "f:1:27: expression is empty"},
		{"filters: {f: {aws: none.json, id: x}, g: {aws: none.json, id: y}}", "f:1:20: aws none.json: open none.json: no such file or directory"},
		{"filters: {f: {aws: testdata/filters.json, id: tmf-9}}", `f:1:47: id "tmf-9" is not in testdata/filters.json; it has tmf-0123, tmf-0456`},
		{"filters: {f: {aws: testdata/contract.yaml, id: tmf-9}}", "f:1:20: aws testdata/contract.yaml: read json at byte 0: invalid character 'i' looking for beginning of value"},
	})
}

func TestComplaintsOfRules(t *testing.T) {
	t.Parallel()
	const rule = "filters: {f: {ingress: [{rule: 1, action: accept, "
	checkMistakes(t, []mistake{
		{"filters: {f: {ingress: {rule: 1}}}", "f:1:24: ingress is a list, as in [{rule: 100, action: accept}]"},
		{"filters: {f: {egress: [{}]}}", "f:1:24: a rule needs the key rule, its number\nf:1:24: a rule needs the key action, accept or reject"},
		{"filters: {f: {egress: [{rule: 0, action: drop}]}}", "f:1:31: rule \"0\" is not a number from 1 to 2147483647\nf:1:42: action \"drop\" is not accept or reject"},
		{"filters:\n f:\n  ingress:\n  - {rule: 2, action: accept}\n  - {rule: 1, action: accept}\n  - {rule: 2, action: accept}", "f:6:12: rule 2 is there twice, first in line 4"},
		{rule + "protocol: foo}]}}", `f:1:61: protocol "foo" is not a number from 0 to 255, any, or one of ah, esp, gre, icmp, icmp6, icmpv6, igmp, ipip, ipv6, ipv6-icmp, ospf, pim, sctp, tcp, udp, vrrp`},
		{rule + "protocol: 256}]}}", `f:1:61: protocol "256" is not a number from 0 to 255, any, or one of ah, esp, gre, icmp, icmp6, icmpv6, igmp, ipip, ipv6, ipv6-icmp, ospf, pim, sctp, tcp, udp, vrrp`},
		{rule + "source: 10.0.0.1/24, destination: 10.0.0.0/33}]}}", "f:1:59: source 10.0.0.1/24 has bits behind its prefix: 10.0.0.0/24\nf:1:85: destination \"10.0.0.0/33\" is not a network, as 10.0.0.0/8 or 2001:db8::/32"},
		{rule + "destination: '::/0', source: 10.0.0.0/24}]}}", "f:1:64: destination ::/0 is not of the IP version of source 10.0.0.0/24"},
		{rule + "source_ports: 5-4, destination_ports: 65536}]}}", "f:1:65: source_ports 5-4: the range ends before it begins\nf:1:89: destination_ports \"65536\" is not a port or a range of ports, as 443 or 53-1024"},
		{rule + "source_ports: [80]}]}}", "f:1:65: source_ports is one value, not a list or a mapping"},
		{rule + "protocol: icmp, source_ports: 80}]}}", "f:1:81: source_ports: protocol 1 has no ports; tcp, udp and sctp have"},
		{rule + "destination_ports: 80, protocol: 47}]}}", "f:1:70: destination_ports: protocol 47 has no ports; tcp, udp and sctp have"},
	})
}

func TestComplaintsOfOutputs(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{"outputs: {a: {path: x}}", `f:1:11: output "a" needs the key type: pcapng, pcap, veth, afpacket or socket`},
		{"outputs: {a: {type: pcapn}}", `f:1:21: type "pcapn" is not pcapng, pcap, veth, afpacket or socket`},
		{"outputs: {a: {type: pcap, path: '%{vni}.pcap'}}", `f:1:11: path "%{vni}.pcap" names sessions: it needs split: session`},
		{"outputs: {a: {type: pcap, path: x, split: session}}", `f:1:11: split: session needs a path with %{session}, %{vni} or %{source}`},
		{"outputs: {a: {type: pcap, path: x, split: vni}}", `f:1:43: split "vni" is not none or session`},
		{"outputs: {a: {type: pcap, path: x, keep_files: 3}}", `f:1:11: keep_size, keep_files and keep_free need rotate_size or rotate_every: an open file is never deleted`},
		{"outputs: {a: {type: pcap, path: x, keep_size: 1GB, rotate_size: 1GiB}}", `f:1:11: keep_size has to be more than rotate_size, or every file is deleted`},
		{"outputs: {a: {type: pcap, path: x, on_rotate: ship}}", `f:1:47: on_rotate is a list, as in [/usr/local/bin/ship, --now]`},
		{"outputs: {a: {type: pcap, path: x, on_rotate: [ship, -x]}}", `f:1:47: on_rotate "ship" is not the whole path of a program`},
		{"outputs: {a: {type: pcap, path: x, on_rotate_timeout: 3s}}", `f:1:11: on_rotate_timeout is of on_rotate, which is not there`},
		{"outputs: {a: {type: pcap, path: x, s3: {prefix: y}}}", `f:1:40: s3 needs the key bucket`},
		{"outputs: {a: {type: pcap, path: x, s3: {bucket: A_b}}}", `f:1:49: bucket "A_b" is not the name of one`},
		{"outputs: {a: {type: pcap, path: x, s3: {bucket: abc, prefix: /x}}}", `f:1:62: prefix "/x" begins with a slash: a key has none`},
		{"outputs: {a: {type: pcap, path: x, s3: {bucket: abc, endpoint: s3.example.com}}}", `f:1:64: endpoint "s3.example.com" is not a URL, as https://s3.example.com`},
		{"outputs: {a: {type: pcap, path: x, s3: {bucket: abc, part_size: 1MiB}}}", `f:1:65: part_size is from 5MiB to 5GiB`},
		{"outputs: {a: {type: pcap, path: x, s3: {bucket: abc, path_style: yes}}}", `f:1:66: path_style "yes" is not true or false`},
		{"outputs: {a: {type: pcap, path: x, mode: 0980}}", `f:1:42: mode "0980" is not one of a file, as 0640`},
		{"outputs: {a: {type: pcapng}, b: {type: veth}}", "f:1:11: output \"a\" needs the key path\nf:1:30: output \"b\" needs the key interface\nf:1:30: output \"b\" needs the key peer"},
		{"outputs: {a: {type: veth, interface: v, peer: w, path: x}}", `f:1:50: unknown key "path"; an output of type veth has type, interface, peer, queues, mtu, netns, tag`},
		{"outputs: {a: {type: veth, interface: v, peer: w, queues: 0, mtu: 67}}", "f:1:58: queues \"0\" is not a number from 1 to 4096\nf:1:66: mtu \"67\" is not a number from 68 to 65535"},
		{"outputs: {a: {type: pcapng, path: '-'}}", `f:1:35: path "-" is not that of a file`},
		{"outputs: {a: {type: pcapng, path: x, rotate_size: 1XB}}", `f:1:51: rotate_size "1XB" is not a size: bytes, or with a unit, as 1GiB or 500MB`},
		{"outputs: {a: {type: pcapng, path: x, rotate_size: 0, keep_size: -1}}", "f:1:51: rotate_size \"0\" is not a size: bytes, or with a unit, as 1GiB or 500MB\nf:1:65: keep_size \"-1\" is not a size: bytes, or with a unit, as 1GiB or 500MB"},
		{"outputs: {a: {type: pcapng, path: x, rotate_every: 5}}", `f:1:52: rotate_every "5" is not a time, as 30s, 5m or 1h30m`},
		{"interfaces: [ens5]\noutputs: {a: {type: afpacket, interface: ens5}}", `f:2:42: interface "ens5" is where mirrored packets arrive: what is sent out of it would be forged traffic there`},
		{"outputs: {a: 7}", `f:1:11: output "a" needs the key type: pcapng, pcap, veth, afpacket or socket`},
		{"outputs: {a: {type: pcapng, path: x}, 'a': {type: pcapng, path: y}}", `f:1:39: output "a" is there twice, first in line 1`},
	})
}

// A mistake in an expression is shown where it is in the file, if it stands there as
// it is.
func TestExpressionPlace(t *testing.T) {
	t.Parallel()
	_, err := Parse("f", []byte("filters:\n  ü: {expression: \"tcp prt 443\"}"), nil)
	var complaints Complaints
	if !errors.As(err, &complaints) || len(complaints) != 1 || complaints[0].Line != 2 || complaints[0].Column != 24 ||
		!strings.HasPrefix(complaints[0].Text, "expression: ") {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"filters:\n  f:\n    expression: tcp\n      prt 443", "filters:\n  f:\n    expression: \"tcp\\x20prt 443\""} {
		_, err = Parse("f", []byte(text), nil)
		if err == nil || !strings.HasPrefix(err.Error(), "f:3:17: expression: ") || !strings.HasSuffix(err.Error(), ", at its character 5") {
			t.Errorf("%v", err)
		}
	}
}

// All mistakes of all sections come at once, in the order of the file.
func TestAllComplaints(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join("testdata", "wrong.yaml"), nil)
	var complaints Complaints
	if !errors.As(err, &complaints) {
		t.Fatal(err)
	}
	var got []int
	for _, complaint := range complaints {
		got = append(got, complaint.Line)
	}
	if diff := cmp.Diff([]int{1, 2, 4, 5, 6, 9, 9, 10, 12, 12, 13, 14}, got); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
}
