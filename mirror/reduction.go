package mirror

import "github.com/xdpeel/xdpeel/bpf/abi"

// Sampling leaves packets out. The zero value leaves out none.
type Sampling struct {
	By    abi.Sampling
	OneIn uint32 // from 1; not looked at where By is abi.SamplingNone
}

// Sampler is how far a run of packets is in its sampling. The zero value is at the
// beginning.
type Sampler struct{ candidates uint64 } // packets that came to sampling by packet

// Keeps says whether a sampling keeps the next packet. flow is the hash of its flow
// (Headers.FlowHash), which only a sampling by flow looks at.
func (s *Sampler) Keeps(sampling Sampling, flow uint32) bool {
	switch sampling.By {
	case abi.SamplingByPacket:
		s.candidates++
		return (s.candidates-1)%uint64(sampling.OneIn) == 0
	case abi.SamplingByFlow:
		return uint64(flow)*uint64(sampling.OneIn)>>32 == 0
	}
	return true
}

// Snap says how much of a packet is kept. The zero value keeps all.
type Snap struct {
	Bytes   int  // of the inner frame, from 14; 0: all
	Headers bool // up to the end of its last transport header
}

// Length returns how many bytes are kept at most of a packet with headers h, which
// are looked at only if the snap says so.
func (s Snap) Length(h *Headers) int {
	length := abi.LimitSnapLength
	if s.Bytes != 0 {
		length = s.Bytes
	}
	if s.Headers {
		length = min(length, h.End)
	}
	return length
}
