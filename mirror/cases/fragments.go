package cases

import (
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// Flows of UDP, one in 4 of them kept with FlowSeed: those to keptPort, and not those
// to leftPort. Without ports an IPv4 one is left and an IPv6 one is kept, so that it
// shows in either whether the first fragment is remembered.
const (
	keptPort, leftPort   = 1001, 1000 // 0x0dd7fc13, 0xa0fafa81; without 0x536dfc48
	keptPort6, leftPort6 = 1004, 1000 // 0x249edca8, 0x693fdf94; without 0x23cc0728
)

// datagrams adds fragments of one VNI.
type datagrams struct {
	*table
	vni uint32
}

func (d datagrams) see(name string, inner []byte, kept bool) *Case {
	return d.delivered(name, frames.FromAWS(inner, d.vni, third.Address, target)).unknown().keptIf(kept)
}

// first4 returns the first fragment of an IPv4 datagram from the interface's port 443.
func first4(id, port uint16) []byte {
	header := frames.IP{Protocol: frames.ProtocolUDP, ID: id, MoreFragments: true}
	return egressIP(header, slices.Concat(portPair(eni.Port, port), frames.Payload(36)))
}

// later4 returns a later one. It begins as if it had ports.
func later4(id uint16, offset uint16) []byte {
	header := frames.IP{Protocol: frames.ProtocolUDP, ID: id, Offset: offset, MoreFragments: offset < 10}
	return egressIP(header, slices.Concat(portPair(eni.Port, keptPort), frames.Payload(36)))
}

func first6(id uint32, port uint16, behind ...frames.Extension) []byte {
	extensions := append([]frames.Extension{frames.FragmentExtension(0, true, id)}, behind...)
	return egressIPv6(frames.ProtocolUDP, slices.Concat(portPair(eni6.Port, port), frames.Payload(36)), extensions...)
}

func later6(id uint32, next uint8) []byte {
	return egressIPv6(next, frames.Payload(40), frames.FragmentExtension(5, true, id))
}

// byFlowOfFragments keeps all fragments of a datagram if it keeps the first.
func byFlowOfFragments(t *table) Group {
	d := datagrams{t, t.vni()}
	d.see("ipv4 first, kept", first4(1, keptPort), true)
	d.see("ipv4 first, left", first4(2, leftPort), false)
	d.see("ipv4 later of the kept", later4(1, 5), true)
	d.see("ipv4 later of the left", later4(2, 5), false)
	d.see("ipv4 last of the kept", later4(1, 10), true)
	d.see("ipv4 last of the kept, tagged", frames.Tagged(later4(1, 10), frames.Tag{}), true)
	d.see("ipv4 of the same conversation, whole", frames.UDPFrame(eni, other, nil), false)

	d.see("ipv6 first, kept", first6(0x10001, keptPort6), true)
	d.see("ipv6 first, left", first6(0x20001, leftPort6), false)
	d.see("ipv6 later of the kept", later6(0x10001, frames.ProtocolUDP), true)
	d.see("ipv6 later of the left", later6(0x20001, frames.ProtocolUDP), false)
	// By themselves these would be left.
	d.see("ipv6 later of the kept, another next header", later6(0x10001, frames.ProtocolTCP), true)
	d.see("ipv6 first before an extension, kept", first6(3, keptPort6, destination), true)
	d.see("ipv6 later that names the extension", later6(3, frames.ProtocolDestination), true)

	d.see("ipv4 first of the same id, left", first4(1, leftPort), false)
	d.see("ipv4 later of the latest", later4(1, 5), false)
	d.see("ipv4 first again, kept", first4(1, keptPort), true)
	d.see("ipv4 later again", later4(1, 5), true)
	elsewhere := frames.FromAWS(later4(1, 5), d.vni, eni.Address, target)
	d.delivered("ipv4 later through another source", elsewhere)
	return t.flowGroup("sampling by flow of fragments", 4)
}

// byFlowOfLateFragments is fragments that nothing is remembered for: they have the
// flow of their addresses and protocol.
func byFlowOfLateFragments(t *table) Group {
	d := datagrams{t, t.vni()}
	d.see("ipv4 without a first", later4(1, 5), false)
	d.see("ipv6 without a first", later6(1, frames.ProtocolUDP), true)
	d.see("ipv4 first, kept", first4(1, keptPort), true)
	d.see("ipv6 first, left", first6(1, leftPort6), false)
	d.see("ipv4 later", later4(1, 5), true)
	d.see("ipv6 later", later6(1, frames.ProtocolUDP), false)
	d.see("ipv4 of another id", later4(2, 5), false)
	d.see("ipv6 of another id", later6(0x10001, frames.ProtocolUDP), true)
	d.see("ipv4 of another protocol", set(later4(1, 5), 14+9, frames.ProtocolTCP), false)
	d.see("ipv4 the other way", set(set(later4(1, 5), 14+12, other.Address.AsSlice()...), 14+16, eni.Address.AsSlice()...), false)
	d.see("ipv4 to another address", set(later4(1, 5), 14+19, 8), false)
	d.see("ipv6 atomic, which is remembered for nothing", egressIPv6(
		frames.ProtocolUDP, portPair(eni6.Port, leftPort6), frames.FragmentExtension(0, false, 5)), false)
	d.see("ipv6 later of its id", later6(5, frames.ProtocolUDP), true)
	another := datagrams{t, t.vni()}
	another.see("ipv4 of another vni", later4(1, 5), false)
	another.see("ipv6 of another vni", later6(1, frames.ProtocolUDP), true)
	return t.flowGroup("sampling by flow of late fragments", 4)
}

// byFlowBehindFilter is first fragments that do not come to sampling.
func byFlowBehindFilter(t *table) Group {
	d := datagrams{t, t.vni()}
	d.see("first, filtered", first4(1, keptPort), true).by(0)
	d.see("later of the filtered", later4(1, 5), false).by(2)
	d.see("first of ipv6, filtered", first6(1, leftPort6), true).by(0)
	d.see("later of the filtered of ipv6", later6(1, frames.ProtocolUDP), true).by(2)
	d.see("first, left", first4(2, leftPort+5), false).by(2)
	d.see("later, left", later4(2, 5), false).by(2)
	ports := portRange(1000, 1004)
	filter := mirror.Filter{Name: "ports", Ingress: numbered(mirror.Rule{DestinationPorts: ports}, mirror.Rule{Accept: true})}
	policy := byDefault(mirror.SessionPolicy{Filter: &filter, Sample: mirror.Sampling{By: abi.SamplingByFlow, OneIn: 4}})
	policy.Seed = FlowSeed
	return t.group("sampling by flow behind a filter", policy)
}
