package main

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// tupleFlags describe a mirrored packet that nobody has captured.
type tupleFlags struct {
	vni             vniList
	from, direction string
	protocol        string
	src, dst        string
	tagged          bool
}

func (t *tupleFlags) register(flags *pflag.FlagSet) {
	flags.Var(&t.vni, "vni", "VNI that the packet came with")
	flags.StringVar(&t.from, "from", "", "outer source `address`: that of the mirrored interface")
	flags.StringVar(&t.direction, "direction", "", "ingress or egress, as the mirrored interface saw it; not needed where an `end` has its address")
	flags.StringVar(&t.protocol, "proto", "", "`protocol` of the packet: tcp, udp, icmp, icmp6, sctp or a number")
	flags.StringVar(&t.src, "src", "", "source of the packet, `ADDR[:PORT]`")
	flags.StringVar(&t.dst, "dst", "", "destination of the packet, `ADDR[:PORT]`")
	flags.BoolVar(&t.tagged, "tagged", false, "the packet has a VLAN tag")
}

var tupleRequired = []string{"vni", "from", "proto", "src", "dst"}

func (t *tupleFlags) isGiven(flags *pflag.FlagSet) bool {
	for _, name := range append(tupleRequired, "direction", "tagged") {
		if flags.Changed(name) {
			return true
		}
	}
	return false
}

// question returns what the flags ask. Its errors are wrong usage.
func (t *tupleFlags) question(flags *pflag.FlagSet) (q question, err error) {
	for _, name := range tupleRequired {
		if !flags.Changed(name) {
			return q, usageErrorf("a packet needs --vni, --from, --proto, --src and --dst: --%s is missing", name)
		}
	}
	if len(t.vni) != 1 {
		return q, usageErrorf("a packet has one VNI, not %d", len(t.vni))
	}
	source, err := netip.ParseAddr(t.from)
	if err != nil {
		return q, usageErrorf("--from %q is not an address", t.from)
	}
	q.session = mirror.Session{VNI: t.vni[0], Source: source.Unmap()}
	if q.headers, err = t.headers(); err != nil {
		return q, err
	}
	q.title = fmt.Sprintf("%s, %s %s > %s", q.session, t.protocol, t.src, t.dst)
	if t.tagged {
		q.title += ", tagged"
	}
	return q, t.tellDirection(&q)
}

// tellDirection takes the direction from the addresses, as a judge does, else from --direction.
func (t *tupleFlags) tellDirection(q *question) error {
	q.direction, q.told = directionByAddress(q.session, &q.headers)
	if t.direction == "" {
		return nil
	}
	for _, d := range []abi.Direction{abi.DirectionIngress, abi.DirectionEgress} {
		if d.String() != t.direction {
			continue
		}
		if q.direction != abi.DirectionUnknown && q.direction != d {
			return usageErrorf("--direction %s: by its addresses the packet is %s", d, q.direction)
		}
		if q.direction == abi.DirectionUnknown {
			q.direction, q.told = d, "as given, if its MAC addresses tell"
		}
		return nil
	}
	return usageErrorf("--direction is ingress or egress, not %q", t.direction)
}

// headers are what a judge would read of the packet.
func (t *tupleFlags) headers() (h mirror.Headers, err error) {
	protocol, known := mirror.ProtocolNamed(t.protocol)
	if !known {
		number, err := strconv.ParseUint(t.protocol, 10, 8)
		if err != nil {
			return h, usageErrorf("--proto is tcp, udp, icmp, icmp6, sctp or a number from 0 to 255, not %q", t.protocol)
		}
		protocol = uint8(number)
	}
	h.Protocol, h.HasPorts = protocol, mirror.HasPorts(protocol)
	if h.Source, h.SourcePort, err = parseEnd("src", t.src, h.HasPorts); err != nil {
		return h, err
	}
	if h.Destination, h.DestinationPort, err = parseEnd("dst", t.dst, h.HasPorts); err != nil {
		return h, err
	}
	if h.Source.Is4() != h.Destination.Is4() {
		return h, usageErrorf("--src %s and --dst %s are not of one IP version", h.Source, h.Destination)
	}
	h.Family = abi.FamilyIPv6
	if h.Source.Is4() {
		h.Family = abi.FamilyIPv4
	}
	if t.tagged {
		h.Family |= abi.FamilyTagged
	}
	return h, nil
}

// parseEnd reads one end of a flow: an address, and a port where the protocol has them.
func parseEnd(flag, text string, hasPorts bool) (address netip.Addr, port uint16, err error) {
	if address, err = netip.ParseAddr(text); err == nil {
		if hasPorts {
			return address, 0, usageErrorf("--%s %s needs a port: %s", flag, text, netip.AddrPortFrom(address, 443))
		}
		return address, 0, nil
	}
	end, err := netip.ParseAddrPort(text)
	if err != nil {
		return address, 0, usageErrorf("--%s %q is not ADDR or ADDR:PORT", flag, text)
	}
	if !hasPorts {
		return address, 0, usageErrorf("--%s %s has a port, and the protocol has none", flag, text)
	}
	return end.Addr(), end.Port(), nil
}
