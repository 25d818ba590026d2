package judges

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// TestFragmentsThatAreNotOfOneDatagram sends a first fragment, and then a later one
// that only seems to be of the same datagram: it must not have the first one's flow.
// Which flows are kept depends on the seed, so several are tried.
func TestFragmentsThatAreNotOfOneDatagram(t *testing.T) {
	const id = 0x1234
	addresses := [2]netip.Addr{netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("10.1.1.2")}
	mapped := [2]netip.Addr{netip.AddrFrom16(addresses[0].As16()), netip.AddrFrom16(addresses[1].As16())}
	ipv4 := frames.IP{Source: addresses[0], Destination: addresses[1], Protocol: frames.ProtocolHopByHop}.Packet(make([]byte, 20))
	binary.BigEndian.PutUint16(ipv4[4:], id)
	binary.BigEndian.PutUint16(ipv4[6:], 0x2000) // more fragments

	const later, first, atomic = 8, 1, 0
	ports := []byte{0, 1, 0, 2, 0, 8, 0, 0}
	tests := map[string][2][]byte{
		"IPv4, then IPv6 with IPv4-mapped addresses": {
			wrappedIP(ipv4), wrappedIP(ipv6(mapped, append(fragmentHeader(17, later, id), ports...))),
		},
		"the last of two fragment headers cut off before its identification": {
			wrappedIP(ipv6(mapped, append(fragmentHeader(17, first, id), ports...))),
			wrappedIP(ipv6(mapped, append(fragmentHeader(44, atomic, id), fragmentHeader(17, later, id)[:4]...))),
		},
	}
	panel := everyone(t)
	for name, test := range tests {
		for seed := range uint64(10) {
			policy := mirror.TakeAll()
			policy.Seed = seed
			policy.Sessions[0].Sample = mirror.Sampling{By: abi.SamplingByFlow, OneIn: 2}
			s := &sequence{Options: settings[0], Policies: compiled(t, policy)}
			s.add(0, test[0], test[1])
			if _, err := panel.ask(s); err != nil {
				t.Errorf("%s, seed %d: %v", name, seed, err)
				break
			}
		}
	}
}

// ipv6 returns a packet whose payload begins with a fragment header.
func ipv6(addresses [2]netip.Addr, payload []byte) []byte {
	packet := make([]byte, 8, 40+len(payload))
	packet[0], packet[6], packet[7] = 6<<4, 44, 64
	binary.BigEndian.PutUint16(packet[4:], uint16(len(payload)))
	packet = append(packet, addresses[0].AsSlice()...)
	packet = append(packet, addresses[1].AsSlice()...)
	return append(packet, payload...)
}

// fragmentHeader returns an IPv6 fragment header (RFC 8200 section 4.5).
func fragmentHeader(next byte, offsetAndFlags uint16, id uint32) []byte {
	header := binary.BigEndian.AppendUint16([]byte{next, 0}, offsetAndFlags)
	return binary.BigEndian.AppendUint32(header, id)
}

// wrappedIP returns a mirrored packet.
func wrappedIP(packet []byte) []byte {
	etherType := uint16(frames.EtherTypeIPv4)
	if packet[0]>>4 == 6 {
		etherType = frames.EtherTypeIPv6
	}
	return frames.Wrap(frames.Ethernet(testPeerMAC, testMAC, etherType, packet), 7, testSource, testDestination)
}
