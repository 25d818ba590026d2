package main

import "strings"

// stormShape is a configuration. In all of them a packet that is delivered is so to
// the output `all`.
type stormShape struct {
	name     string
	sessions string // and filters
	ids, all string // more of these outputs
	more     string // outputs
	silent   bool   // nothing is delivered
}

func (x stormShape) text() string {
	return strings.NewReplacer("SESSIONS", x.sessions, "IDS", x.ids, "ALL", x.all, "MORE", x.more).Replace(stormConfig)
}

const stormConfig = `interfaces: [far]
http: 127.0.0.1:9478
pins: PINS
buffer: 4MiB
SESSIONS
outputs:
  ids: {type: veth, interface: xdpeel0, peer: xdpeel0-ids, netns: NETNSIDS}
  all: {type: pcapng, path: DISK/all.pcapng, rotate_every: 2sALL}
  live: {type: socket, path: DIR/live.sock}
  tap: {type: afpacket, interface: tap}
MORE`

const anySession = "sessions: [{vni: any}]"

var stormShapes = []stormShape{
	{name: "everything", sessions: anySession},
	{name: "a filter", sessions: "sessions: [{vni: 7, filter: two}]\nfilters: {two: {expression: udp dst port 2}}"},
	{name: "a sample", sessions: "sessions: [{vni: any, sample: {one_in: 3, by: packet}}]"},
	{name: "headers", sessions: "sessions: [{vni: any, snaplen: 64}]"},
	{name: "files alone", sessions: "sessions: [{vni: 7, outputs: [all]}]"},
	{name: "strangers", sessions: "sessions: [{vni: 8}]", silent: true},
	{name: "denied sources", sessions: "allow_sources: [192.0.2.0/24]\n" + anySession, silent: true},
	{name: "a veth of another MTU", sessions: anySession, ids: ", mtu: 9000"},
	{name: "a veth with tags", sessions: anySession, ids: ", tag: vlan"},
	{name: "other files", sessions: anySession, all: ", rotate_size: 64KiB"},
	{name: "another output", sessions: anySession, more: "  extra: {type: pcapng, path: DISK/extra.pcapng, sample: {one_in: 2, by: packet}}\n"},
	{name: "a compressed output", sessions: anySession, more: "  packed: {type: pcapng, path: DISK/packed.pcapng.zst}\n"},
}

// lastShape has all outputs: each mends what was left of its files.
var lastShape = stormShape{name: "all outputs", sessions: anySession, more: `  extra: {type: pcapng, path: DISK/extra.pcapng, sample: {one_in: 2, by: packet}}
  packed: {type: pcapng, path: DISK/packed.pcapng.zst}
`}

// badShapes are configurations that change nothing.
var badShapes = []struct {
	name   string
	change func(text string) string
	want   string
}{
	{"not YAML", func(text string) string { return text + "  :[" }, "xdpeel.yaml:"},
	{"empty", func(string) string { return "" }, "no interfaces"},
	{"wrong key", func(text string) string { return text + "sesions: []\n" }, "sesions"},
	{"other interfaces", func(text string) string { return strings.Replace(text, "[far]", "[lo]", 1) }, "interfaces cannot change"},
	{"no directory", func(text string) string { return text + "  bad: {type: pcapng, path: DISK/none/bad.pcapng}\n" }, "no such file"},
	{"another's interface", func(text string) string { return strings.Replace(text, "interface: xdpeel0", "interface: lo", 1) }, "not xdpeel's"},
}
