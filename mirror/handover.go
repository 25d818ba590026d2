package mirror

import (
	"encoding/binary"
	"math/bits"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// What the flow hash is mixed with where it chooses a veth, and a CPU: flows that
// one choice puts together are apart for the other, and for sampling
// (docs/judgement.md, "Veths").
const (
	purposeVeth = 1
	purposeLane = 2
)

// placeOfFlow returns one of n places (from 1) for a flow.
func placeOfFlow(flow uint32, purpose flowHash, n int) int {
	purpose.mix(uint64(flow))
	return int(uint64(purpose.sum()) * uint64(n) >> 32)
}

// takersOf returns the veths that get a delivered packet of a session: all that
// share by copy, or the one of its flow. Whether they have room for it is theirs to
// say. flow is the packet's flow hash.
func (p *Policy) takersOf(s *SessionPolicy, flow uint32) OutputSet {
	veths := p.VethsOf(s)
	n := bits.OnesCount32(uint32(veths))
	if n < 2 || s.Sharing == abi.SharingCopy {
		return veths
	}
	return 1 << veths.Slots()[placeOfFlow(flow, purposeVeth, n)]
}

// LaneOf returns the CPU that a flow is moved to, of a veth that spreads its flows
// over CPUs 0 to n - 1.
func LaneOf(flow uint32, n int) int { return placeOfFlow(flow, purposeLane, n) }

// AppendHandover appends the bytes that a veth gets of a frame: the inner frame as
// it arrived, whatever the snap lengths, behind a made-up Ethernet header if it is a
// bare payload. vlan is the id in its tag, 0 for none.
func (j *Judgement) AppendHandover(to, frame []byte, vlan uint16) []byte {
	inner := frame[j.Offset:]
	var ethernet []byte
	if j.EtherType != 0 {
		ethernet = AppendMadeUpEthernet(nil, j.EtherType)
		inner = inner[:j.Arrived-EthernetLength]
	} else {
		ethernet, inner = inner[:EthernetLength], inner[EthernetLength:j.Arrived]
	}
	to = append(to, ethernet[:EthernetLength-2]...)
	if vlan != 0 {
		to = binary.BigEndian.AppendUint16(to, EtherTypeVLAN)
		to = binary.BigEndian.AppendUint16(to, vlan)
	}
	return append(append(to, ethernet[EthernetLength-2:]...), inner...)
}
