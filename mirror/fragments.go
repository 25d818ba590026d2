package mirror

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// fragmented is what all fragments of a datagram have in common.
type fragmented struct {
	vni                 uint32
	source, destination netip.Addr
	id                  uint32
	protocol            uint8 // of IPv4; an IPv6 fragment header names what begins in its own packet
}

// fragmentFlows remembers the flows of fragmented datagrams, the last
// abi.LimitFragments of them: their later fragments have no ports to tell.
type fragmentFlows struct {
	hashes map[fragmented]uint32
	order  []fragmented // a ring, once it is full
	oldest int          // in the ring
}

// flowOf returns the hash of a packet's flow, where hash is that of the packet by
// itself.
func (f *fragmentFlows) flowOf(vni uint32, h *Headers, hash uint32) uint32 {
	if h.Fragment == FragmentNone {
		return hash
	}
	key := fragmented{vni: vni, source: h.Source, destination: h.Destination, id: h.FragmentID}
	if h.Source.Is4() {
		key.protocol = h.Protocol
	}
	if h.Fragment == FragmentFirst {
		f.remember(key, hash)
	} else if first, ok := f.hashes[key]; ok {
		return first
	}
	return hash
}

func (f *fragmentFlows) remember(key fragmented, hash uint32) {
	if f.hashes == nil {
		f.hashes = make(map[fragmented]uint32)
	}
	if _, known := f.hashes[key]; !known {
		f.makeRoom(key)
	}
	f.hashes[key] = hash
}

// makeRoom puts a datagram at the end of the order, if need be in place of the
// oldest.
func (f *fragmentFlows) makeRoom(key fragmented) {
	if len(f.order) < abi.LimitFragments {
		f.order = append(f.order, key)
		return
	}
	delete(f.hashes, f.order[f.oldest])
	f.order[f.oldest] = key
	f.oldest = (f.oldest + 1) % len(f.order)
}
