package cases

import (
	"fmt"
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// extended returns the good packet with IPv6 extension headers.
func (t *table) extended(extensions ...frames.Extension) frames.Mirrored {
	m := t.good6()
	m.IP.Extensions = extensions
	return m
}

// addIPv6 is rules 2 and 3 of IPv6.
func addIPv6(t *table) {
	t.delivered("ipv6", t.good6())
	t.delivered("ipv6 traffic class and flow label", t.good6(), frames.SetIP(0, 0x6f, 0xff, 0xff, 0xff))
	t.delivered("ipv6 hop limit 0", t.good6(), frames.SetIP(7, 0))
	t.delivered("ipv6 udp checksum", func() frames.Mirrored {
		m := t.good6()
		m.UDP.NoChecksum = false
		return m
	}())
	t.left("ipv6 version 4", abi.OutcomeHost, t.good6(), frames.SetIPVersion(4))
	t.left("ipv6 version 7", abi.OutcomeHost, t.good6(), frames.SetIPVersion(7))
	t.left("ipv6 header cut", abi.OutcomeHost, t.good6(), frames.Cut(14+39))
	for _, next := range []byte{frames.ProtocolTCP, 4, 41, 47, 50, frames.ProtocolAH, frames.ProtocolICMPv6, 59, 135, 136, 139, 140, 255} {
		t.left(fmt.Sprintf("ipv6 next header %d", next), abi.OutcomeHost, t.good6(), frames.SetIP(6, next))
	}

	for _, protocol := range []uint8{frames.ProtocolHopByHop, frames.ProtocolRouting, frames.ProtocolDestination} {
		for _, length := range []int{8, 16, 264, 2048} {
			t.delivered(fmt.Sprintf("ipv6 extension %d of %d bytes", protocol, length),
				t.extended(frames.PaddedExtension(protocol, length)))
		}
	}
	t.delivered("ipv6 extensions out of order", t.extended(
		frames.PaddedExtension(frames.ProtocolDestination, 8),
		frames.PaddedExtension(frames.ProtocolRouting, 24),
		frames.PaddedExtension(frames.ProtocolHopByHop, 8)))
	addIPv6Chains(t)
}

// addIPv6Chains is about where the walk of extension headers ends.
func addIPv6Chains(t *table) {
	option := frames.PaddedExtension(frames.ProtocolDestination, 8)
	for _, length := range []int{2, 7, 8} {
		t.delivered(fmt.Sprintf("ipv6 chain of %d", length), t.extended(slices.Repeat([]frames.Extension{option}, length)...))
	}
	for _, length := range []int{9, 20} {
		t.left(fmt.Sprintf("ipv6 chain of %d", length), abi.OutcomeHost,
			t.extended(slices.Repeat([]frames.Extension{option}, length)...))
	}
	t.left("ipv6 chain with authentication", abi.OutcomeHost,
		t.extended(option, frames.PaddedExtension(frames.ProtocolAH, 24)))
	t.left("ipv6 chain that ends in tcp", abi.OutcomeHost, func() frames.Mirrored {
		m := t.extended(option)
		m.IP.Protocol = frames.ProtocolTCP
		return m
	}())
	t.left("ipv6 extension cut", abi.OutcomeHost, t.extended(option), frames.Cut(14+40+3))
	t.left("ipv6 extension cut behind four bytes", abi.OutcomeHost, t.extended(option), frames.Cut(14+40+4))
	t.left("ipv6 extension that runs over the frame", abi.OutcomeHost, t.extended(option), frames.SetIP(41, 255))
	t.left("ipv6 port cut behind an extension", abi.OutcomeHost, t.extended(option), frames.Cut(14+48+3))
	t.left("ipv6 port seen behind an extension", abi.OutcomeMalformedIP, t.extended(option), frames.Cut(14+48+4))
}

// addIPv6Fragments is rules 4 and 6 of IPv6.
func addIPv6Fragments(t *table) {
	option := frames.PaddedExtension(frames.ProtocolDestination, 8)
	atomic := frames.FragmentExtension(0, false, 7)
	first := frames.FragmentExtension(0, true, 7)
	later := frames.FragmentExtension(1, true, 7)
	last := frames.FragmentExtension(0x1fff, false, 7)

	t.left("ipv6 fragment atomic", abi.OutcomeFragment, t.extended(atomic))
	t.left("ipv6 fragment first", abi.OutcomeFragment, t.extended(first))
	t.left("ipv6 fragment later", abi.OutcomeFragment, t.extended(later))
	t.left("ipv6 fragment last", abi.OutcomeFragment, t.extended(last))
	t.left("ipv6 fragment behind an extension", abi.OutcomeFragment, t.extended(option, first))
	t.left("ipv6 fragment before an extension", abi.OutcomeFragment, t.extended(first, option))
	t.left("ipv6 fragment later, before an extension", abi.OutcomeHost, t.extended(later, option))
	t.left("ipv6 fragment later, before a fragment header", abi.OutcomeHost, t.extended(later, first))
	t.left("ipv6 fragment atomic, then later", abi.OutcomeFragment, t.extended(atomic, later))
	t.left("ipv6 fragment first, cut before the port", abi.OutcomeHost, t.extended(first), frames.Cut(14+48+3))
	t.left("ipv6 fragment first, cut behind the port", abi.OutcomeFragment, t.extended(first), frames.Cut(14+48+4))
	t.left("ipv6 fragment later, cut behind four bytes", abi.OutcomeFragment, t.extended(later), frames.Cut(14+40+4))
	t.left("ipv6 fragment later, cut", abi.OutcomeHost, t.extended(later), frames.Cut(14+40+3))
	t.left("ipv6 fragment first, its length wrong", abi.OutcomeFragment, t.extended(first), frames.SetIPLength(0))
	t.left("ipv6 fragment eighth", abi.OutcomeFragment,
		t.extended(append(slices.Repeat([]frames.Extension{option}, 7), first)...))
	t.left("ipv6 fragment ninth", abi.OutcomeHost,
		t.extended(append(slices.Repeat([]frames.Extension{option}, 8), later)...))

	// The second byte of a fragment header is no length, and two bits beside its
	// offset are no offset.
	t.left("ipv6 fragment reserved byte", abi.OutcomeFragment, t.extended(atomic), frames.SetIP(41, 0xff))
	reserved := t.extended(atomic)
	reserved.UDP.Destination = 53
	t.left("ipv6 fragment reserved bits, other port", abi.OutcomeHost, reserved, frames.SetIP(43, 0x06))

	tcp := t.extended(first)
	tcp.IP.Protocol = frames.ProtocolTCP
	t.left("ipv6 fragment first, tcp", abi.OutcomeHost, tcp)
	tcp = t.extended(later)
	tcp.IP.Protocol = frames.ProtocolTCP
	t.left("ipv6 fragment later, tcp", abi.OutcomeHost, tcp)
	toOther := t.extended(first)
	toOther.UDP.Destination = 53
	t.left("ipv6 fragment first, other port", abi.OutcomeHost, toOther)
}
