package judges

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

var (
	testSource      = netip.MustParseAddr("10.0.0.1")
	testDestination = netip.MustParseAddr("10.0.0.2")
	testOther       = netip.MustParseAddr("10.0.0.3")
	testMAC         = frames.MAC{2, 0, 0, 0, 0, 3}
	testPeerMAC     = frames.MAC{2, 0, 0, 0, 0, 4}
)

// egressFrame returns a mirrored packet that the mirrored interface itself sent,
// as its inner source address shows.
func egressFrame(vni uint32) []byte {
	packet := frames.IP{Source: testSource, Destination: testOther, Protocol: frames.ProtocolTCP}.Packet(make([]byte, 20))
	inner := frames.Ethernet(testPeerMAC, testMAC, frames.EtherTypeIPv4, packet)
	return frames.Wrap(inner, vni, testSource, testDestination)
}

// arpFrame returns a mirrored packet whose direction only the MAC can tell.
func arpFrame(vni uint32) []byte {
	inner := frames.Ethernet(testPeerMAC, testMAC, frames.EtherTypeARP, frames.ARPRequest(testMAC, testSource, testOther))
	return frames.Wrap(inner, vni, testSource, testDestination)
}

// manySessions returns a sequence of n sessions under a policy: first a packet of
// each that teaches the MAC, then one of each that needs it.
func manySessions(t *testing.T, policy *mirror.Policy, n int) *sequence {
	s := &sequence{Options: settings[0], Policies: compiled(t, policy)}
	for _, frame := range []func(uint32) []byte{egressFrame, arpFrame} {
		for vni := range n {
			s.add(0, frame(uint32(vni)))
		}
	}
	return s
}

// add appends frames that a policy judges.
func (s *sequence) add(policy uint32, all ...[]byte) {
	for _, bytes := range all {
		s.Frames = append(s.Frames, frame{bytes, len(bytes), policy})
	}
}

func compiled(t *testing.T, list ...*mirror.Policy) *policies {
	t.Helper()
	p, err := newPolicies(list...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fmtSeconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
