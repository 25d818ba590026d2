package mirror_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

var (
	eni6 = frames.Peer{MAC: eni.MAC, Address: netip.MustParseAddr("2001:db8::1"), Port: 443}
	web6 = frames.Peer{MAC: web.MAC, Address: netip.MustParseAddr("2001:db8::2"), Port: 5000}
)

// fromENI returns the frame of an IPv4 packet.
func fromENI(header frames.IP, payload []byte) []byte {
	header.Source, header.Destination = eni.Address, web.Address
	return frames.Ethernet(web.MAC, eni.MAC, frames.EtherTypeIPv4, header.Packet(payload))
}

// fromENI6 returns the frame of an IPv6 packet of UDP.
func fromENI6(payload []byte, extensions ...frames.Extension) []byte {
	header := frames.IP{Source: eni6.Address, Destination: web6.Address, Protocol: frames.ProtocolUDP, Extensions: extensions}
	return frames.Ethernet(web.MAC, eni.MAC, frames.EtherTypeIPv6, header.Packet(payload))
}

// headersOf is a frame and what is read of it.
type headersOf struct {
	name  string
	frame []byte
	want  mirror.Headers
}

func checkHeaders(t *testing.T, tests []headersOf) {
	t.Helper()
	for _, test := range tests {
		before := slices.Clone(test.frame)
		if diff := cmp.Diff(test.want, mirror.ReadHeaders(test.frame), compareAddresses); diff != "" {
			t.Errorf("%s: headers differ (-want +got):\n%s", test.name, diff)
		}
		if !slices.Equal(before, test.frame) {
			t.Errorf("%s: the frame was changed", test.name)
		}
	}
}

// What a packet differs in from one of UDP of its IP version.

func with(h mirror.Headers, change func(*mirror.Headers)) mirror.Headers {
	change(&h)
	return h
}

func withPorts(h mirror.Headers, end int) mirror.Headers {
	h.HasPorts, h.SourcePort, h.DestinationPort, h.End = true, 443, 5000, end
	return h
}

func fragment(h mirror.Headers, part mirror.Fragment, id uint32) mirror.Headers {
	h.Fragment, h.FragmentID = part, id
	return h
}

func family(h mirror.Headers, family abi.Family) mirror.Headers {
	h.Family = family
	return h
}

// udpSegment is of the ports 443 and 5000, without data.
var udpSegment = []byte{0x01, 0xbb, 0x13, 0x88, 0, 8, 0, 0}

func TestReadHeaders(t *testing.T) {
	t.Parallel()
	tcp := []byte{0x01, 0xbb, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 8 << 4}
	isTCP := func(h *mirror.Headers) { h.Protocol = 6 }
	udp, arp := udpSegment, frames.ARPFrame(eni, web)
	ipv4 := mirror.Headers{Family: abi.FamilyIPv4, Protocol: 17, Source: eni.Address, Destination: web.Address}
	checkHeaders(t, []headersOf{
		{"nothing", nil, mirror.Headers{End: 14}},
		{"13 bytes", arp[:13], mirror.Headers{End: 14}},
		{"udp", fromENI(frames.IP{Protocol: 17}, udp), withPorts(ipv4, 42)},
		{"udp tagged", frames.Tagged(fromENI(frames.IP{Protocol: 17}, udp), frames.Tag{}, frames.Tag{}),
			withPorts(family(ipv4, abi.FamilyIPv4|abi.FamilyTagged), 50)},
		{"udp cut", fromENI(frames.IP{Protocol: 17}, udp[:3]), with(ipv4, func(h *mirror.Headers) { h.End = 42 })},
		{"tcp cut behind its data offset", fromENI(frames.IP{Protocol: 6}, tcp[:13]), with(withPorts(ipv4, 34+32), isTCP)},
		{"tcp cut before its data offset", fromENI(frames.IP{Protocol: 6}, tcp[:12]), with(withPorts(ipv4, 34+20), isTCP)},
		{"an identification alone is no fragment", fromENI(frames.IP{Protocol: 17, ID: 7}, udp), withPorts(ipv4, 42)},
		{"first fragment", fromENI(frames.IP{Protocol: 17, ID: 0xfedc, MoreFragments: true}, udp),
			withPorts(fragment(ipv4, mirror.FragmentFirst, 0xfedc), 42)},
		{"later fragment", fromENI(frames.IP{Protocol: 17, ID: 0xfedc, Offset: 2}, udp),
			with(fragment(ipv4, mirror.FragmentLater, 0xfedc), func(h *mirror.Headers) { h.End = 34 })},
		{"arp", arp, mirror.Headers{Family: abi.FamilyARP, Source: eni.Address, Destination: web.Address, End: 42}},
		{"arp of 27 bytes", arp[:41], mirror.Headers{Family: abi.FamilyARP, End: 41}},
		{"rarp", slices.Concat(arp[:12], []byte{0x80, 0x35}, arp[14:]),
			mirror.Headers{Family: abi.FamilyRARP, Source: eni.Address, Destination: web.Address, End: 42}},
	})
}

func TestReadHeadersOfIPv6(t *testing.T) {
	t.Parallel()
	udp := udpSegment
	ipv6 := mirror.Headers{Family: abi.FamilyIPv6, Protocol: 17, Source: eni6.Address, Destination: web6.Address}
	checkHeaders(t, []headersOf{
		{"udp of ipv6", fromENI6(udp), withPorts(ipv6, 62)},
		{"first fragment of ipv6", fromENI6(udp, frames.FragmentExtension(0, true, 0xfedcba98)),
			withPorts(fragment(family(ipv6, abi.FamilyIPv6Fragment), mirror.FragmentFirst, 0xfedcba98), 70)},
		{"later fragment of ipv6", fromENI6(udp, frames.FragmentExtension(1, true, 0xfedcba98)),
			with(fragment(family(ipv6, abi.FamilyIPv6Fragment), mirror.FragmentLater, 0xfedcba98),
				func(h *mirror.Headers) { h.End = 62 })},
		{"later fragment of ipv6, its identification cut", fromENI6(udp, frames.FragmentExtension(1, true, 0xfedcba98))[:14+40+7],
			with(fragment(family(ipv6, abi.FamilyIPv6Fragment), mirror.FragmentLater, 0),
				func(h *mirror.Headers) { h.End = 62 })},
		{"atomic fragment", fromENI6(udp, frames.FragmentExtension(0, false, 5)),
			withPorts(family(ipv6, abi.FamilyIPv6Fragment), 70)},
		{"first fragment, then atomic", fromENI6(udp, frames.FragmentExtension(0, true, 5), frames.FragmentExtension(0, false, 6)),
			withPorts(family(ipv6, abi.FamilyIPv6Extensions), 78)},
		{"atomic fragment, then first", fromENI6(udp, frames.FragmentExtension(0, false, 5), frames.FragmentExtension(0, true, 6)),
			withPorts(fragment(family(ipv6, abi.FamilyIPv6Extensions), mirror.FragmentFirst, 6), 78)},
	})
}

// TestMappedAddressStays sees that a filter's IPv4-mapped address is one of IPv6.
func TestMappedAddressStays(t *testing.T) {
	t.Parallel()
	mapped := frames.Peer{MAC: eni.MAC, Address: netip.AddrFrom16(eni.Address.As16()), Port: 1}
	h := mirror.ReadHeaders(frames.UDPFrame(mapped, web6, nil))
	if h.Source != mapped.Address || !h.Source.Is4In6() || h.Family != abi.FamilyIPv6 {
		t.Errorf("%s packet from %s", h.Family, h.Source)
	}
}
