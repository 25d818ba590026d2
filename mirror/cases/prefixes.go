package cases

import (
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// Prefixes returns every proper prefix of some good frames: what a judge sees of
// a frame that was cut on its way. Until the destination port is in sight it is
// the host's; from there on it is shorter than its IP header says.
func Prefixes() []Case {
	var t table
	options := t.good()
	options.IP.Options = frames.Payload(12)
	tagged := t.extended(
		frames.PaddedExtension(frames.ProtocolHopByHop, 16), frames.PaddedExtension(frames.ProtocolDestination, 8))
	tagged.Tags = []frames.Tag{{Protocol: frames.EtherTypeQinQ}, {Control: 7}}

	var list []Case
	for _, whole := range []struct {
		name string
		frames.Mirrored
	}{
		{"vxlan", t.good()},
		{"vxlan behind ipv4 options", options},
		{"vxlan behind tags and ipv6 extensions", tagged},
		{"geneve", t.goodGENEVE(foreignOptions(32))},
		{"gwlb", t.balancer().Carry(t.good().Packet())},
	} {
		frame, portSeen := whole.Bytes(), whole.Offsets().UDP+4
		for length := range frame {
			outcome := abi.OutcomeHost
			if length >= portSeen {
				outcome = abi.OutcomeMalformedIP
			}
			list = append(list, Case{
				Name:  fmt.Sprintf("first %d bytes of %s", length, whole.name),
				Frame: frame[:length:length], WireLength: length, Outcome: outcome,
			})
		}
	}
	return list
}
