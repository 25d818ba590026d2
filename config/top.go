package config

import (
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// configKeys are the keys of the file itself.
var configKeys = []key[Config]{
	{"interfaces", readInterfaces},
	{"mode", func(r *reader, n *yaml.Node, c *Config) { choose(r, n, "mode", &c.Mode, "auto", "native", "generic") }},
	{"ports", func(r *reader, n *yaml.Node, c *Config) { readMapping(r, n, "ports", portsKeys, c) }},
	{"allow_sources", readAllowSources},
	{"unknown_sessions", readUnknownSessions},
	{"seed", func(r *reader, n *yaml.Node, c *Config) { c.Policy.Seed, _ = r.number(n, "seed", 0, 1<<64-1) }},
	{"sessions", func(r *reader, n *yaml.Node, _ *Config) { r.sessions = n }},
	{"filters", func(r *reader, n *yaml.Node, _ *Config) { r.filters = n }},
	{"outputs", func(r *reader, n *yaml.Node, _ *Config) { r.outputs = n }},
	{"buffer", readBuffer},
	{"http", func(r *reader, n *yaml.Node, c *Config) { readAddress(r, n, "http", &c.HTTP) }},
	{"health", func(r *reader, n *yaml.Node, c *Config) { readAddress(r, n, "health", &c.Health) }},
	{"drain", func(r *reader, n *yaml.Node, c *Config) { c.Drain = r.duration(n, "drain") }},
	{"on_exit", func(r *reader, n *yaml.Node, c *Config) { choose(r, n, "on_exit", &c.OnExit, OnExitKeep, OnExitDetach) }},
	{"pins", readPins},
}

// portsKeys are the keys of `ports`.
var portsKeys = []key[Config]{
	{"vxlan", func(r *reader, n *yaml.Node, c *Config) { c.Judge.VXLANPorts = readPortList(r, n, "vxlan") }},
	{"geneve", func(r *reader, n *yaml.Node, c *Config) { c.Judge.GENEVEPorts = readPortList(r, n, "geneve") }},
}

// readConfig reads all of a file: n is what its document holds.
func (r *reader) readConfig(n *yaml.Node) {
	if isNothing(n) {
		n = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	}
	if !readMapping(r, n, "a configuration", configKeys, r.config) {
		return
	}
	r.readOutputs()
	r.checkInterfaces()
	r.readFilters()
	r.readSessions()
	var err error
	if r.config.Judge, err = r.config.Judge.Complete(); err != nil && len(r.complaints) == 0 {
		r.complain(n, "%v", err)
	}
	if len(r.complaints) > 0 {
		return
	}
	if err := r.config.Policy.Check(); err != nil {
		r.complain(n, "%v", err)
	}
	if len(r.config.Policy.Sessions) == 0 {
		r.note(n, "no session is named, so every packet is one of an unknown session")
	}
}

func readPins(r *reader, n *yaml.Node, c *Config) {
	text, ok := r.text(n, "pins")
	if ok && !path.IsAbs(text) {
		r.complain(n, "pins %q is not an absolute path", text)
		return
	}
	if ok {
		c.Pins = path.Clean(text)
	}
}

// maxInterfaceName is the kernel's IFNAMSIZ without its final zero byte.
const maxInterfaceName = 15

// interfaceName reads the name of a network interface.
func (r *reader) interfaceName(n *yaml.Node, name string) (string, bool) {
	text, ok := r.text(n, name)
	if ok && (len(text) > maxInterfaceName || strings.ContainsAny(text, "/: \t\n") || text == "." || text == "..") {
		r.complain(n, "%s %q is not the name of an interface", name, text)
		return "", false
	}
	return text, ok
}

func readInterfaces(r *reader, n *yaml.Node, c *Config) {
	lines := make(firstLines[string])
	for _, element := range r.list(n, "interfaces", "[ens5]") {
		name, ok := r.interfaceName(r.resolve(element), "interface")
		if !ok {
			continue
		}
		if first := lines.note(name, element); first != 0 {
			r.complain(element, "interface %q is there twice, first in line %d", name, first)
			continue
		}
		c.Interfaces = append(c.Interfaces, name)
	}
}

// readPortList reads UDP ports: an empty list is none, unlike no list at all.
func readPortList(r *reader, n *yaml.Node, name string) []uint16 {
	ports := []uint16{}
	for _, element := range r.list(n, name, "[4789]") {
		port, ok := r.number(r.resolve(element), name+" port", 1, 65535)
		if !ok {
			continue
		}
		if len(ports) == abi.LimitPorts {
			r.complain(element, "%s has more than %d ports", name, abi.LimitPorts)
			break
		}
		ports = append(ports, uint16(port))
	}
	return ports
}

func readAllowSources(r *reader, n *yaml.Node, c *Config) {
	c.Policy.AllowSources = []netip.Prefix{}
	for _, element := range r.list(n, "allow_sources", "[10.0.0.0/8]") {
		element = r.resolve(element)
		network, ok := r.network(element, "allow_sources")
		if ok && network.Addr().Is4In6() {
			r.complain(element, "allow_sources %s holds IPv4 addresses: write it as an IPv4 network", network)
			continue
		}
		if ok {
			c.Policy.AllowSources = append(c.Policy.AllowSources, network)
		}
	}
}

func readUnknownSessions(r *reader, n *yaml.Node, c *Config) {
	word := "pass"
	choose(r, n, "unknown_sessions", &word, "pass", "drop")
	c.Policy.DropUnknown = word == "drop"
}

// The default of `buffer` and its least, in bytes.
const (
	defaultBuffer = 64 << 20
	minBuffer     = 4 << 20
)

func readBuffer(r *reader, n *yaml.Node, c *Config) {
	size := r.size(n, "buffer")
	if size > 0 && size < minBuffer {
		r.complain(n, "buffer %s is less than 4MiB", n.Value)
		return
	}
	c.Buffer = size
}

// readAddress reads an address and port to listen on.
func readAddress(r *reader, n *yaml.Node, name string, into *string) {
	text, ok := r.text(n, name)
	if !ok {
		return
	}
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		r.complain(n, "%s %q is not an address and port, as 127.0.0.1:9478", name, text)
		return
	}
	*into = text
}
