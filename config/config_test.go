package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

var byValue = cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})

// parse reads a text that has to be right.
func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("f", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The example that users are given means what it says.
func TestContract(t *testing.T) {
	t.Parallel()
	got, err := Load(filepath.Join("testdata", "contract.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	tcp, udp := mirror.Protocol{Number: 6, Given: true}, mirror.Protocol{Number: 17, Given: true}
	web := &mirror.Filter{Name: "web", Ingress: []mirror.Rule{
		{
			Number: 100, Accept: true, Protocol: tcp, Source: netip.MustParsePrefix("0.0.0.0/0"),
			Destination: netip.MustParsePrefix("10.0.0.0/24"), DestinationPorts: mirror.Ports{First: 443, Last: 443, Given: true},
		},
		{Number: 200, Protocol: udp, SourcePorts: mirror.Ports{First: 53, Last: 1024, Given: true}},
	}}
	want := &Config{
		Interfaces: []string{"ens5"}, Mode: "auto", Judge: mirror.Defaults(),
		Policy: &mirror.Policy{
			AllowSources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			Sessions: []mirror.SessionPolicy{
				{
					VNI: 12345, Source: netip.MustParseAddr("10.0.12.59"), Name: "web-1", Filter: web,
					Sample: mirror.Sampling{By: abi.SamplingByFlow, OneIn: 10}, Snap: mirror.Snap{Bytes: 256}, Outputs: 0b11,
				},
				{AnyVNI: true, Outputs: 0b1},
			},
			Veths: 0b10, Spread: 0b10,
		},
		Filters: map[string]*mirror.Filter{"web": web, "all-web": got.Filters["all-web"], "from-aws": got.Filters["from-aws"]},
		Outputs: []Output{
			{
				Name: "archive", Slot: 0, Type: OutputPcapng, Files: Files{
					Path:       "/var/lib/xdpeel/%Y%m%d-%H%M%S.pcapng.zst",
					RotateSize: 1 << 30, RotateEvery: 5 * time.Minute, KeepSize: 50 << 30, OnRotateTimeout: time.Minute,
				},
			},
			{Name: "ids", Slot: 1, Type: OutputVeth, Interface: "xdpeel0", Peer: "xdpeel0-ids", Queues: 2, MTU: 9216},
			{
				Name: "tap", Slot: 2, Type: OutputAFPacket, Interface: "eth9",
				Sample: mirror.Sampling{By: abi.SamplingByPacket, OneIn: 10}, Snap: mirror.Snap{Bytes: 128},
			},
		},
		Buffer: 64 << 20, HTTP: "127.0.0.1:9478", OnExit: OnExitKeep, Pins: DefaultPins,
		Files: []string{filepath.Join("testdata", "contract.yaml"), filepath.Join("testdata", "filters.json")},
		Notes: []string{filepath.Join("testdata", "contract.yaml") + ":12:14: snaplen does not cut what goes to a veth"},
	}
	if diff := cmp.Diff(want, got, byValue, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if expressed := got.Filters["all-web"]; len(expressed.Ingress) == 0 || len(expressed.Egress) == 0 {
		t.Errorf("all-web is %+v", expressed)
	}
	if fromAWS := got.Filters["from-aws"]; len(fromAWS.Ingress) != 2 || len(fromAWS.Egress) != 1 || fromAWS.Ingress[0].Number != 100 {
		t.Errorf("from-aws is %+v", fromAWS)
	}
}

// An empty file, or one of keys without values, is one of defaults.
func TestDefaults(t *testing.T) {
	t.Parallel()
	want := &Config{
		Mode: "auto", Judge: mirror.Defaults(), Policy: &mirror.Policy{}, Filters: map[string]*mirror.Filter{},
		Buffer: 64 << 20, HTTP: "127.0.0.1:9478", OnExit: OnExitKeep, Pins: DefaultPins, Files: []string{"f"},
		Notes: []string{"f:1:1: no session is named, so every packet is one of an unknown session"},
	}
	for _, text := range []string{"", "# nothing\n", "~", "{}", "sessions:\nfilters:\noutputs:\ninterfaces:\n"} {
		if diff := cmp.Diff(want, parse(t, text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// Each key that has several ways to be written, in each of them.
func TestValues(t *testing.T) {
	t.Parallel()
	c := parse(t, `
mode: native
ports: {vxlan: [4789, 8472], geneve: []}
allow_sources: [10.1.2.3, "2001:db8::/32"]
unknown_sessions: drop
seed: 18446744073709551615
on_exit: detach
http: "[::1]:80"
sessions:
  - {vni: 0x3039, source: "::ffff:10.0.0.1", name: "a b", mac: "0a:1b:2c:3d:4e:5f", snaplen: headers, sample: {one_in: 2}}
  - {vni: 12345, outputs: []}
outputs: {a: {type: pcap, path: x}, b: {type: veth, interface: v, peer: w}, c: {type: pcap, path: y}}
`)
	want := &mirror.Policy{
		Veths:        0b10,
		AllowSources: []netip.Prefix{netip.MustParsePrefix("10.1.2.3/32"), netip.MustParsePrefix("2001:db8::/32")},
		DropUnknown:  true, Seed: 1<<64 - 1,
		Sessions: []mirror.SessionPolicy{
			{
				VNI: 12345, Source: netip.MustParseAddr("10.0.0.1"), Name: "a b", MAC: [6]byte{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f},
				Snap: mirror.Snap{Headers: true}, Sample: mirror.Sampling{By: abi.SamplingByPacket, OneIn: 2}, Outputs: 0b111,
			},
			{VNI: 12345},
		},
	}
	if diff := cmp.Diff(want, c.Policy, byValue); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]uint16{4789, 8472}, c.Judge.VXLANPorts); diff != "" || len(c.Judge.GENEVEPorts) != 0 || c.Judge.GENEVEPorts == nil {
		t.Errorf("ports %+v", c.Judge)
	}
	if c.Mode != "native" || c.OnExit != OnExitDetach || c.HTTP != "[::1]:80" {
		t.Errorf("%+v", c)
	}
}

func TestOutputValues(t *testing.T) {
	t.Parallel()
	c := parse(t, `
outputs:
  a: {type: pcapng, path: x, rotate_size: 1.5kB, rotate_every: 1h30m, keep_size: 7kB, snaplen: headers}
  b: {type: veth, interface: v, peer: w}
  c:
    type: pcap
    path: /x/%{vni}.pcap.gz
    split: session
    rotate_every: 1m
    keep_files: 3
    keep_free: 1GiB
    on_rotate: [/bin/ship, two words]
    on_rotate_timeout: 5s
    owner: root
    group: 7
    mode: 0640
    s3:
      bucket: b.c-d
      prefix: mirror/%Y/
      region: eu-central-1
      endpoint: http://127.0.0.1:7070
      path_style: true
      storage_class: STANDARD_IA
      parallel: 7
      part_size: 8MiB
      remove_local: true
`)
	want := []Output{
		{
			Name: "a", Type: OutputPcapng, Snap: mirror.Snap{Headers: true},
			Files: Files{Path: "x", RotateSize: 1500, RotateEvery: 90 * time.Minute, KeepSize: 7000, OnRotateTimeout: time.Minute},
		},
		{Name: "b", Slot: 1, Type: OutputVeth, Interface: "v", Peer: "w", Queues: 1, MTU: 9216},
		{Name: "c", Slot: 2, Type: OutputPcap, Files: Files{
			Path: "/x/%{vni}.pcap.gz", Split: true, RotateEvery: time.Minute, KeepFiles: 3, KeepFree: 1 << 30,
			OnRotate: "/bin/ship\x00two words\x00", OnRotateTimeout: 5 * time.Second,
			Owner: "root", Group: "7", Mode: 0o640,
			S3: S3{
				Bucket: "b.c-d", Prefix: "mirror/%Y/", Region: "eu-central-1", Endpoint: "http://127.0.0.1:7070", PathStyle: true,
				StorageClass: "STANDARD_IA", Parallel: 7, PartSize: 8 << 20, RemoveLocal: true,
			},
		}},
	}
	if diff := cmp.Diff(want, c.Outputs, byValue); diff != "" {
		t.Error(diff)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	c := parse(t, `
filters:
  f:
    ingress:
      - {rule: 9, action: reject, protocol: icmpv6, source: "2001:db8::1", source_ports: 0-65535}
      - {rule: 3, action: accept, protocol: any, destination_ports: "0"}
      - {rule: 1, action: accept, protocol: -1, destination: ::/0}
      - {rule: 2, action: accept, protocol: 0}
`)
	want := []mirror.Rule{
		{Number: 1, Accept: true, Destination: netip.MustParsePrefix("::/0")},
		{Number: 2, Accept: true, Protocol: mirror.Protocol{Given: true}},
		{Number: 3, Accept: true, DestinationPorts: mirror.Ports{Given: true}},
		{Number: 9, Protocol: mirror.Protocol{Number: 58, Given: true}, Source: netip.MustParsePrefix("2001:db8::1/128")},
	}
	if diff := cmp.Diff(want, c.Filters["f"].Ingress, byValue); diff != "" {
		t.Error(diff)
	}
}

// Filters with the same rules are one filter, and go by the first name.
func TestSharedFilters(t *testing.T) {
	t.Parallel()
	c := parse(t, `
sessions: [{vni: 1, filter: b}, {vni: 2, filter: a}, {vni: 3, filter: c}]
filters:
  a: &rules
    ingress: [{rule: 1, action: accept, protocol: tcp}]
    egress: []
  b: *rules
  c: {egress: [{rule: 1, action: accept, protocol: tcp}]}
`)
	s := c.Policy.Sessions
	if s[0].Filter != s[1].Filter || s[0].Filter.Name != "a" {
		t.Errorf("a is %p, b is %p named %s", s[1].Filter, s[0].Filter, s[0].Filter.Name)
	}
	if s[0].Filter == s[2].Filter {
		t.Error("ingress and egress are one")
	}
	if len(c.Filters) != 3 {
		t.Errorf("%v", c.Filters)
	}
}

// Outputs keep the slots they had. New ones get fresh slots as long as there are
// any, and then those of outputs that are gone.
func TestSlots(t *testing.T) {
	t.Parallel()
	slots := func(names []string, before map[string]int) map[string]int {
		var text strings.Builder
		text.WriteString("sessions: [{vni: any}]\noutputs:\n")
		for _, name := range names {
			text.WriteString("  " + name + ": {type: pcapng, path: x}\n")
		}
		c, err := Parse("f", []byte(text.String()), before)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int)
		var all mirror.OutputSet
		for _, output := range c.Outputs {
			got[output.Name] = output.Slot
			all |= 1 << output.Slot
		}
		if all != c.Policy.Sessions[0].Outputs {
			t.Errorf("session has %b, outputs are %b", c.Policy.Sessions[0].Outputs, all)
		}
		return got
	}
	first := slots([]string{"a", "b"}, nil)
	if diff := cmp.Diff(map[string]int{"a": 0, "b": 1}, first); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"c": 2, "b": 1}, slots([]string{"c", "b"}, first)); diff != "" {
		t.Error(diff)
	}
	full := make(map[string]int)
	for slot := range abi.LimitOutputs {
		full["x"+string(rune('A'+slot))] = slot
	}
	if diff := cmp.Diff(map[string]int{"new": 0, "xB": 1}, slots([]string{"new", "xB"}, full)); diff != "" {
		t.Error(diff)
	}
}

// What AWS mirrors and no rule says is worth a note.
func TestAmazonDNS(t *testing.T) {
	t.Parallel()
	c, err := Parse(filepath.Join("testdata", "f"), []byte("sessions: [{vni: any}]\nfilters:\n  a: {aws: filters.json, id: tmf-0456}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join("testdata", "f") + ":3:30: of tmf-0456 AWS also mirrors amazon-dns, which no rule says: add rules that take it, or it is filtered"}
	if diff := cmp.Diff(want, c.Notes); diff != "" {
		t.Error(diff)
	}
}

func TestLoadNothing(t *testing.T) {
	t.Parallel()
	if _, err := Load(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
