package frames

import "encoding/binary"

// Mutation makes one thing of a good frame wrong. It may change the frame or
// return another.
type Mutation func(frame []byte, at Offsets) []byte

// With returns the frame after mutations in their order. The checksum of an
// outer IPv4 header is made right again, so that it is not what is wrong.
func (m Mirrored) With(mutations ...Mutation) []byte {
	frame, at := m.Bytes(), m.Offsets()
	for _, mutate := range mutations {
		frame = mutate(frame, at)
	}
	if m.IP.Source.Is4() && len(frame) > at.IP {
		RepairIPv4(frame[at.IP:])
	}
	return frame
}

// SetEtherType changes the outer EtherType, behind all tags.
func SetEtherType(etherType uint16) Mutation {
	return func(frame []byte, at Offsets) []byte {
		binary.BigEndian.PutUint16(frame[at.EtherType:], etherType)
		return frame
	}
}

// SetIPVersion changes the version nibble of the outer IP header.
func SetIPVersion(version byte) Mutation {
	return func(frame []byte, at Offsets) []byte {
		frame[at.IP] = version<<4 | frame[at.IP]&0x0f
		return frame
	}
}

// SetHeaderLength changes the outer IPv4 header length, in words of 4 bytes.
func SetHeaderLength(words byte) Mutation {
	return func(frame []byte, at Offsets) []byte {
		frame[at.IP] = frame[at.IP]&0xf0 | words
		return frame
	}
}

// SetIPLength changes the outer IPv4 total length or IPv6 payload length, in
// bytes.
func SetIPLength(length uint16) Mutation {
	return func(frame []byte, at Offsets) []byte {
		binary.BigEndian.PutUint16(frame[at.ipLength(frame):], length)
		return frame
	}
}

// AddIPLength adds n to the outer IPv4 total length or IPv6 payload length.
func AddIPLength(n int) Mutation {
	return func(frame []byte, at Offsets) []byte {
		field := frame[at.ipLength(frame):]
		binary.BigEndian.PutUint16(field, binary.BigEndian.Uint16(field)+uint16(n))
		return frame
	}
}

// SetUDPLength changes the outer UDP length, in bytes.
func SetUDPLength(length uint16) Mutation {
	return func(frame []byte, at Offsets) []byte {
		binary.BigEndian.PutUint16(frame[at.UDP+4:], length)
		return frame
	}
}

// AddUDPLength adds n to the outer UDP length.
func AddUDPLength(n int) Mutation {
	return func(frame []byte, at Offsets) []byte {
		field := frame[at.UDP+4:]
		binary.BigEndian.PutUint16(field, binary.BigEndian.Uint16(field)+uint16(n))
		return frame
	}
}

// SetIP overwrites bytes at an offset in the outer IP header.
func SetIP(offset int, value ...byte) Mutation {
	return func(frame []byte, at Offsets) []byte {
		copy(frame[at.IP+offset:], value)
		return frame
	}
}

// SetTunnel overwrites bytes at an offset in the VXLAN or GENEVE header.
func SetTunnel(offset int, value ...byte) Mutation {
	return func(frame []byte, at Offsets) []byte {
		copy(frame[at.Tunnel+offset:], value)
		return frame
	}
}

// Cut keeps the first length bytes of the frame.
func Cut(length int) Mutation {
	return func(frame []byte, _ Offsets) []byte { return frame[:length] }
}

// CutEnd takes n bytes off the frame's end.
func CutEnd(n int) Mutation {
	return func(frame []byte, _ Offsets) []byte { return frame[:len(frame)-n] }
}

// ipLength returns where the length field of frame's outer IP header is.
func (at Offsets) ipLength(frame []byte) int {
	if binary.BigEndian.Uint16(frame[at.EtherType:]) == EtherTypeIPv6 {
		return at.IP + 4
	}
	return at.IP + 2
}
