package judges

import "github.com/xdpeel/xdpeel/lab/frames"

// cast is who takes part in a sequence. There are few, so that packets meet
// those whom an earlier packet has made known, and rules that name them.
type cast struct {
	sources   [4]ip // of mirrored interfaces: outer sources, and inner addresses
	strangers [4]ip // inner addresses only
	macs      [5]frames.MAC
	vnis      [3]uint32
	flows     [8]flow
}

// ip is an IPv4 or an IPv6 address.
type ip struct {
	bytes   [16]byte // of IPv4 the first four
	version int      // 4 or 6
}

func (a *ip) slice() []byte {
	if a.version == 4 {
		return a.bytes[:4]
	}
	return a.bytes[:]
}

// flow is a conversation of inner packets.
type flow struct {
	version  int
	protocol byte
	ends     [2]end
	id       uint32 // identification of its fragments
}

type end struct {
	address *ip
	port    int
}

// innerPorts and innerProtocols are what flows have and rules name. native/edits.c has the
// same.
var innerPorts = []int{0, 1, 22, 53, 80, 443, 1024, 8080, 65535}

var innerProtocols = []byte{
	frames.ProtocolTCP, frames.ProtocolTCP, frames.ProtocolUDP, frames.ProtocolUDP, protocolSCTP,
	frames.ProtocolICMP, frames.ProtocolICMPv6, protocolGRE, frames.ProtocolHopByHop,
}

// IP protocols that package frames does not know, from IANA's registry.
const (
	protocolGRE  = 47
	protocolSCTP = 132
)

func newCast(d *dice) *cast {
	c := &cast{}
	for i := range c.sources {
		version := []int{4, 4, 6, 6}[i]
		c.sources[i], c.strangers[i] = newIP(d, version), newIP(d, version)
	}
	if d.percent(20) { // an IPv6 address that looks like an IPv4 one
		c.sources[3].bytes = [16]byte{10: 0xff, 11: 0xff}
		copy(c.sources[3].bytes[12:], c.sources[0].slice())
	}
	for i := range c.macs {
		c.macs[i] = frames.MAC{2, d.byte(), d.byte(), d.byte(), d.byte(), byte(i)}
	}
	c.macs[4] = pick(d, frames.MAC{}, frames.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, frames.MAC{1, 0, 0x5e, 0, 0, 1})
	for i := range c.vnis {
		c.vnis[i] = uint32(d.Uint64()) & 0xffffff
	}
	for i := range c.flows {
		c.flows[i] = c.newFlow(d, pick(d, 4, 4, 6))
	}
	return c
}

func newIP(d *dice, version int) ip {
	a := ip{version: version}
	for i := range a.slice() {
		a.bytes[i] = d.byte()
	}
	return a
}

func (c *cast) newFlow(d *dice, version int) flow {
	f := flow{version: version, protocol: pick(d, innerProtocols...), id: uint32(d.Uint64())}
	for i := range f.ends {
		f.ends[i] = end{c.inner(d, version), pick(d, innerPorts...)}
	}
	return f
}

// flow returns one of the flows of version, or one that nobody has met yet, in
// either direction.
func (c *cast) flow(d *dice, version int) flow {
	f := c.newFlow(d, version)
	if known := c.flows[d.below(len(c.flows))]; known.version == version && d.percent(80) {
		f = known
	}
	if d.percent(50) {
		f.ends[0], f.ends[1] = f.ends[1], f.ends[0]
	}
	return f
}

// source returns an outer source of version.
func (c *cast) source(d *dice, version int) *ip {
	return &c.sources[version-4+d.below(2)]
}

// inner returns an address of version for an inner packet: mostly one that an
// outer source may be, too.
func (c *cast) inner(d *dice, version int) *ip {
	if d.percent(60) {
		return c.source(d, version)
	}
	return &c.strangers[version-4+d.below(2)]
}

func (c *cast) mac(d *dice) frames.MAC {
	if d.percent(3) {
		return c.macs[4]
	}
	return c.macs[d.below(4)]
}

func (c *cast) vni(d *dice) uint32 { return c.vnis[d.below(len(c.vnis))] }
