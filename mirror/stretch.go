package mirror

import "encoding/binary"

// stretch is a run of bytes of a frame. On a wire all of it is at hand; of a
// capture file that was cut by its snap length the end may be missing.
type stretch struct {
	data   []byte // the bytes at hand
	offset int    // where in the frame the stretch begins
	length int    // bytes it had on the wire, len(data) or more
}

// longestWire is the longest wire length that is believed: the longest IPv6
// packet in Ethernet with as many tags as are looked through.
const longestWire = EthernetLength + tagLength*2 + ipv6Length + 0xffff

// newStretch returns the whole of frame. A wire length that cannot be is taken
// for the length at hand.
func newStretch(frame []byte, wireLength int) stretch {
	if wireLength < len(frame) || wireLength > longestWire {
		wireLength = len(frame)
	}
	return stretch{data: frame, length: wireLength}
}

// holds says whether the first n bytes are at hand.
func (s stretch) holds(n int) bool { return len(s.data) >= n }

// from returns what is behind the first n bytes, nothing if there are fewer.
func (s stretch) from(n int) stretch {
	return stretch{
		data:   s.data[min(n, len(s.data)):],
		offset: s.offset + n,
		length: max(s.length-n, 0),
	}
}

// to returns the first n bytes; n is at most the stretch's length.
func (s stretch) to(n int) stretch {
	return stretch{data: s.data[:min(n, len(s.data))], offset: s.offset, length: n}
}

// uint16 returns the big-endian number at offset n, which is at hand.
func (s stretch) uint16(n int) uint16 { return binary.BigEndian.Uint16(s.data[n:]) }

// uint32 returns the big-endian number at offset n, which is at hand.
func (s stretch) uint32(n int) uint32 { return binary.BigEndian.Uint32(s.data[n:]) }
