package mirror

import (
	"encoding/binary"
	"net/netip"
)

// FlowHash returns the 32-bit hash of a packet's flow, as docs/judgement.md
// ("Sampling") defines it: the same for both directions. frame is the inner frame
// with its own Ethernet header, for the flow of what is not IP; nil of a bare
// payload. A later fragment, without memory of the first, has the hash of its
// addresses and protocol.
func (h *Headers) FlowHash(seed uint64, frame []byte) uint32 {
	source, destination := h.ends(frame)
	hash := flowHash(seed)
	hash.mix(source.high ^ destination.high)
	hash.mix(source.high + destination.high)
	hash.mix(source.low ^ destination.low)
	hash.mix(source.low + destination.low)
	from, to := uint64(h.SourcePort), uint64(h.DestinationPort)
	hash.mix((from^to)<<32 | (from + to))
	hash.mix(uint64(h.Protocol))
	return hash.sum()
}

// end is the address of one end of a flow, as two numbers.
type end struct{ high, low uint64 }

// ends returns the IP addresses of a packet, or the MACs of a frame that is not IP.
func (h *Headers) ends(frame []byte) (source, destination end) {
	switch {
	case IPFamilies.Has(h.Family):
		return endOf(h.Source), endOf(h.Destination)
	case len(frame) >= EthernetLength:
		return end{low: mac(frame[6:12]).number()}, end{low: mac(frame[0:6]).number()}
	}
	return end{}, end{}
}

// endOf takes an IPv4 address as ::ffff:a.b.c.d.
func endOf(address netip.Addr) end {
	bytes := address.As16()
	return end{binary.BigEndian.Uint64(bytes[:8]), binary.BigEndian.Uint64(bytes[8:])}
}

// number returns the address as a number, its first octet the lowest.
func (m mac) number() uint64 {
	var number [8]byte
	copy(number[:], m[:])
	return binary.LittleEndian.Uint64(number[:])
}

// flowHash is a hash under way.
type flowHash uint64

func (h *flowHash) mix(x uint64) {
	*h = (*h ^ flowHash(x)) * 0x9e3779b97f4a7c15
	*h ^= *h >> 32
}

func (h flowHash) sum() uint32 {
	h *= 0xd6e8feb86659fd93
	return uint32(h ^ h>>32)
}
