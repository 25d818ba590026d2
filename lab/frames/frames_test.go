package frames_test

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/lab/frames"
)

var (
	inside  = frames.Peer{MAC: frames.MAC{2, 0, 0, 0, 1, 1}, Address: netip.MustParseAddr("10.0.0.1"), Port: 40000}
	outside = frames.Peer{MAC: frames.MAC{2, 0, 0, 0, 1, 2}, Address: netip.MustParseAddr("192.0.2.2"), Port: 50000}

	inside6  = frames.Peer{MAC: inside.MAC, Address: netip.MustParseAddr("2001:db8::1"), Port: 40000}
	outside6 = frames.Peer{MAC: outside.MAC, Address: netip.MustParseAddr("2001:db8::2"), Port: 50000}

	target = netip.MustParseAddr("10.0.0.9")

	balancer = frames.GatewayLoadBalancer{
		Source:      netip.MustParseAddr("10.1.0.1"),
		Destination: target,
		Endpoint:    0x0102030405060708,
		Attachment:  0x1112131415161718,
		FlowCookie:  0x21222324,
	}
)

// unhex reads hexadecimal digits, spaces and line ends between them ignored.
func unhex(t *testing.T, digits string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestWrap spells out a whole packet. The header checksum was worked out by hand.
func TestWrap(t *testing.T) {
	t.Parallel()
	inner := frames.ARPFrame(inside, outside)
	want := append(unhex(t, `
		020000001001 020000001002 0800
		45 00 004e 0000 0000 ff 11 a795 0a000001 0a000009
		ff80 12b5 003a 0000
		08 000000 012345 00`), inner...)
	if diff := cmp.Diff(want, frames.Wrap(inner, 0x012345, inside.Address, target)); diff != "" {
		t.Errorf("frame differs (-want +got):\n%s", diff)
	}
}

func TestWrapGWLB(t *testing.T) {
	t.Parallel()
	inner := frames.ARPFrame(inside, outside)
	second := frames.Wrap(inner, 0x012345, inside.Address, target)[14:]
	want := append(unhex(t, `
		020000001001 020000001002 0800
		45 00 0092 0000 0000 ff 11 a750 0a010001 0a000009
		e324 17c1 007e 0000
		08 00 0800 000000 00
		0108 01 02 0102030405060708
		0108 02 02 1112131415161718
		0108 03 01 21222324`), second...)
	if diff := cmp.Diff(want, frames.WrapGWLB(inner, 0x012345, inside.Address, target, balancer)); diff != "" {
		t.Errorf("frame differs (-want +got):\n%s", diff)
	}
}

// TestFlowHash holds that both directions of a conversation share a source port,
// and that conversations are spread over the 128 there are.
func TestFlowHash(t *testing.T) {
	t.Parallel()
	seen := make(map[uint8]bool)
	for port := range uint16(2000) {
		there, back := inside, outside
		back.Port = port
		hash := frames.FlowHash(frames.TCPFrame(there, back, frames.Payload(10)))
		if reply := frames.FlowHash(frames.TCPFrame(back, there, nil)); reply != hash {
			t.Fatalf("port %d: %d one way, %d the other", port, hash, reply)
		}
		seen[hash] = true
	}
	if len(seen) != 128 {
		t.Errorf("2000 conversations have %d hashes, want 128", len(seen))
	}
	whole := frames.TCPFrame(inside6, outside6, nil)
	for length := range whole {
		frames.FlowHash(whole[:length])
	}
}

func TestOffsets(t *testing.T) {
	t.Parallel()
	m := frames.FromAWS([]byte("inner"), 7, inside6.Address, outside6.Address)
	m.Tags = []frames.Tag{{Protocol: frames.EtherTypeQinQ, Control: 1}, {Control: 2}}
	m.IP.Extensions = []frames.Extension{frames.PaddedExtension(frames.ProtocolHopByHop, 16)}
	m.Filler, m.Trailer = []byte("fill"), []byte("trail")
	at := m.Offsets()
	want := frames.Offsets{EtherType: 20, IP: 22, UDP: 78, Tunnel: 86, Inner: 94, DatagramEnd: 99, PacketEnd: 103}
	if diff := cmp.Diff(want, at); diff != "" {
		t.Errorf("offsets differ (-want +got):\n%s", diff)
	}
	if got := string(m.Bytes()[at.Inner:]); got != "innerfilltrail" {
		t.Errorf("from the inner frame on: %q", got)
	}
}

// TestMutations holds that a mutation changes its field, repairs the checksum of
// the IPv4 header, and leaves all else as it was.
func TestMutations(t *testing.T) {
	t.Parallel()
	m := frames.FromAWS(frames.ARPFrame(inside, outside), 7, inside.Address, target)
	good := m.Bytes()
	for name, test := range map[string]struct {
		mutation frames.Mutation
		offset   int
		value    []byte
	}{
		"ethertype":     {frames.SetEtherType(0x1234), 12, []byte{0x12, 0x34}},
		"version":       {frames.SetIPVersion(7), 14, []byte{0x75}},
		"ip length":     {frames.SetIPLength(0x1234), 16, []byte{0x12, 0x34}},
		"ip length +1":  {frames.AddIPLength(1), 17, []byte{good[17] + 1}},
		"udp length":    {frames.SetUDPLength(0x1234), 38, []byte{0x12, 0x34}},
		"udp length -1": {frames.AddUDPLength(-1), 39, []byte{good[39] - 1}},
		"ip":            {frames.SetIP(8, 1), 22, []byte{1}},
		"tunnel":        {frames.SetTunnel(0, 9, 8), 42, []byte{9, 8}},
	} {
		want := bytes.Clone(good)
		copy(want[test.offset:], test.value)
		frames.RepairIPv4(want[14:])
		if diff := cmp.Diff(want, m.With(test.mutation)); diff != "" {
			t.Errorf("%s: frame differs (-want +got):\n%s", name, diff)
		}
	}
	if got := m.With(frames.Cut(20)); !bytes.Equal(got, good[:20]) {
		t.Errorf("cut to 20 bytes: %x", got)
	}
	if got := m.With(frames.CutEnd(1)); !bytes.Equal(got, good[:len(good)-1]) {
		t.Errorf("one byte cut off the end: %x", got)
	}
}
