package cases

import (
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// addLengths is rule 7, and what it leaves of a datagram for rules 8 and 10.
func addLengths(t *table) {
	t.left("ipv4 length one over the frame", abi.OutcomeMalformedIP, t.good(), frames.AddIPLength(1))
	t.left("ipv4 length 65535", abi.OutcomeMalformedIP, t.good(), frames.SetIPLength(0xffff))
	for _, length := range []uint16{0, 19, 20, 27} {
		t.left(fmt.Sprintf("ipv4 length %d", length), abi.OutcomeMalformedIP, t.good(), frames.SetIPLength(length))
	}
	t.left("ipv4 length 28", abi.OutcomeMalformedUDP, t.good(), frames.SetIPLength(28))
	t.left("ipv4 length one under udp's end", abi.OutcomeMalformedUDP, t.good(), frames.AddIPLength(-1))
	t.left("frame one short", abi.OutcomeMalformedIP, t.good(), frames.CutEnd(1))

	withOptions := func() frames.Mirrored {
		m := t.good()
		m.IP.Options = frames.Payload(20)
		return m
	}
	t.left("ipv4 length within options", abi.OutcomeMalformedIP, withOptions(), frames.SetIPLength(30))
	t.left("ipv4 length within udp behind options", abi.OutcomeMalformedIP, withOptions(), frames.SetIPLength(47))

	t.left("ipv6 length one over the frame", abi.OutcomeMalformedIP, t.good6(), frames.AddIPLength(1))
	for _, length := range []uint16{0, 7, 0xffff} {
		t.left(fmt.Sprintf("ipv6 length %d", length), abi.OutcomeMalformedIP, t.good6(), frames.SetIPLength(length))
	}
	t.left("ipv6 length 8", abi.OutcomeMalformedUDP, t.good6(), frames.SetIPLength(8))
	t.left("ipv6 length one under udp's end", abi.OutcomeMalformedUDP, t.good6(), frames.AddIPLength(-1))
	t.left("ipv6 frame one short", abi.OutcomeMalformedIP, t.good6(), frames.CutEnd(1))
	t.left("ipv6 length within udp behind an extension", abi.OutcomeMalformedIP,
		t.extended(frames.PaddedExtension(frames.ProtocolDestination, 16)), frames.SetIPLength(23))

	addUDPLengths(t)
}

// addUDPLengths shortens and stretches the datagram within a good IP packet.
func addUDPLengths(t *table) {
	for _, length := range []uint16{0, 1, 7, 0xffff} {
		t.left(fmt.Sprintf("udp length %d", length), abi.OutcomeMalformedUDP, t.good(), frames.SetUDPLength(length))
	}
	t.left("udp length one over the packet", abi.OutcomeMalformedUDP, t.good(), frames.AddUDPLength(1))
	t.left("udp length 0 over ipv6", abi.OutcomeMalformedUDP, t.good6(), frames.SetUDPLength(0))
	t.left("udp length one over the packet, over ipv6", abi.OutcomeMalformedUDP, t.good6(), frames.AddUDPLength(1))
	for _, length := range []uint16{8, 9, 15} {
		t.left(fmt.Sprintf("udp length %d", length), abi.OutcomeMalformedVXLAN, t.good(), frames.SetUDPLength(length))
		t.left(fmt.Sprintf("udp length %d, geneve", length), abi.OutcomeMalformedGENEVE, t.goodGENEVE(), frames.SetUDPLength(length))
	}
	for _, length := range []uint16{16, 29} {
		t.left(fmt.Sprintf("udp length %d", length), abi.OutcomeMalformedInner, t.good(), frames.SetUDPLength(length))
		t.left(fmt.Sprintf("udp length %d, geneve", length), abi.OutcomeMalformedInner, t.goodGENEVE(), frames.SetUDPLength(length))
	}
	trailing := t.good()
	trailing.Trailer = frames.Payload(4)
	t.left("udp length into the trailer", abi.OutcomeMalformedUDP, trailing, frames.AddUDPLength(4))

	c := t.delivered("udp length shorter than the packet", t.good(), frames.SetUDPLength(8+8+100))
	c.Inner, c.Arrived = egress[:100], 100
	c.cutFrom(len(egress))
}

// addSlack is what lies behind the datagram, and checksums that nobody looks at.
func addSlack(t *table) {
	for _, length := range []int{1, 4, 18, 200} {
		m := t.good()
		m.Trailer = frames.Payload(length)
		t.delivered(fmt.Sprintf("trailer of %d bytes", length), m)
	}
	filled := t.good()
	filled.Filler = frames.Payload(9)
	t.delivered("bytes between udp's end and ip's", filled)
	filled6 := t.good6()
	filled6.Filler, filled6.Trailer = frames.Payload(9), frames.Payload(3)
	t.delivered("bytes behind udp's end and behind ip's, ipv6", filled6)

	checked := func() frames.Mirrored {
		m := t.good()
		m.UDP.NoChecksum = false
		return m
	}
	t.delivered("udp checksum right", checked())
	wrong := t.delivered("udp checksum wrong", checked())
	wrong.Frame[14+20+6] ^= 0xff
}
