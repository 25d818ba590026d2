package export

import (
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Share is one output's part of every batch: the packets that name it, thinned
// and cut as the output wishes. It belongs to one goroutine.
type Share struct {
	Slot   int // the output's, in mirror.Packet.Outputs
	Sample mirror.Sampling
	Snap   mirror.Snap
	// Seed of the policy's flow hash. The share samples by another one made of it:
	// by the same, it would keep all the flows that the session's sampling kept.
	Seed uint64

	batch   mirror.Batch
	sampler mirror.Sampler
}

// Of returns the output's part of b, and how many packets of b name the output.
// The part refers to b's bytes and lasts until the next call.
//
// Sampling by flow knows no fragments: the later ones of a datagram are a flow
// of their own. What the session's snap length has cut off is not looked at.
func (s *Share) Of(b *mirror.Batch) (part *mirror.Batch, named int) {
	if s.isAll(b) {
		return b, len(b.Packets)
	}
	if n := len(b.Packets); cap(s.batch.Packets) < n {
		s.batch.Packets = make([]mirror.Packet, 0, max(n, mirror.BatchPackets))
	}
	s.batch.Packets = s.batch.Packets[:0]
	for i := range b.Packets {
		p := &b.Packets[i]
		if !p.Outputs.Has(s.Slot) {
			continue
		}
		named++
		if s.keeps(p.Data) {
			s.batch.Packets = append(s.batch.Packets, *p)
			kept := &s.batch.Packets[len(s.batch.Packets)-1]
			kept.Data = kept.Data[:s.length(p.Data)]
		}
	}
	return &s.batch, named
}

// isAll says whether the part is the batch as it is.
func (s *Share) isAll(b *mirror.Batch) bool {
	if s.Sample.By != abi.SamplingNone || s.Snap != (mirror.Snap{}) {
		return false
	}
	for i := range b.Packets {
		if !b.Packets[i].Outputs.Has(s.Slot) {
			return false
		}
	}
	return true
}

func (s *Share) keeps(frame []byte) bool {
	var flow uint32
	if s.Sample.By == abi.SamplingByFlow {
		headers := mirror.ReadHeaders(frame)
		flow = headers.FlowHash(^s.Seed, frame)
	}
	return s.sampler.Keeps(s.Sample, flow)
}

// length is how many bytes of a frame are kept.
func (s *Share) length(frame []byte) int {
	var headers mirror.Headers
	if s.Snap.Headers {
		headers = mirror.ReadHeaders(frame)
	}
	return min(len(frame), s.Snap.Length(&headers))
}
