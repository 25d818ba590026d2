package lab

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/xdpeel/xdpeel/lab/frames"
)

// side is one end of a TCP connection.
type side struct {
	address netip.Addr
	port    uint16
	ttl     uint8         // of its packets when they pass the mirrored interface; 0: 64
	pause   time.Duration // from the other's last segment to its first, at that interface
	next    uint32        // sequence number of its next byte
	id      uint16        // IP identification of its last packet
}

// connection is a TCP connection that a recorder watches.
type connection struct {
	recorder       *recorder
	client, server *side
	last           *side // whose segment was the last one
}

// Flags of the TCP header, RFC 9293 section 3.1.
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagPSH = 0x08
	flagACK = 0x10
)

const maximumSegment = 1460 // bytes of payload, for an MTU of 1500

// synOptions are: maximum segment size 1460, SACK permitted, window scale 7.
var synOptions = []byte("\x02\x04\x05\xb4\x04\x02\x01\x03\x03\x07\x01\x01")

// connect opens a connection.
func (r *recorder) connect(client, server *side) *connection {
	c := &connection{recorder: r, client: client, server: server, last: server}
	c.segment(client, flagSYN, nil)
	c.segment(server, flagSYN|flagACK, nil)
	c.acknowledge(client)
	return c
}

// send has one side send data in as few segments as it takes.
func (c *connection) send(from *side, data []byte) {
	chunks := slices.Collect(slices.Chunk(data, maximumSegment))
	for i, chunk := range chunks {
		flags := byte(flagACK)
		if i == len(chunks)-1 {
			flags |= flagPSH
		}
		c.segment(from, flags, chunk)
	}
}

// acknowledge has one side acknowledge all that it got.
func (c *connection) acknowledge(from *side) { c.segment(from, flagACK, nil) }

// close has one side close the connection and the other follow.
func (c *connection) close(first *side) {
	c.segment(first, flagFIN|flagACK, nil)
	c.segment(c.other(first), flagFIN|flagACK, nil)
	c.acknowledge(first)
}

func (c *connection) other(s *side) *side {
	if s == c.client {
		return c.server
	}
	return c.client
}

// segment has one side send a segment.
func (c *connection) segment(from *side, flags byte, payload []byte) {
	to := c.other(from)
	segment := tcpSegment(from, to, flags, payload)
	from.next += uint32(len(payload))
	if flags&(flagSYN|flagFIN) != 0 {
		from.next++ // each counts as a byte
	}

	from.id++
	header := frames.IP{Source: from.address, Destination: to.address, Protocol: frames.ProtocolTCP, TTL: from.ttl, ID: from.id}
	packet := header.Packet(segment)
	packet[6] |= 0x40 // don't fragment: path MTU discovery
	frames.RepairIPv4(packet)

	after := 15 * time.Microsecond
	if from != c.last {
		after = from.pause
	}
	c.last = from
	c.recorder.pass(after, packet)
}

// tcpSegment returns a TCP segment with the sides' present sequence numbers.
func tcpSegment(from, to *side, flags byte, payload []byte) []byte {
	var options []byte
	window := uint16(502) // times 2 to the window scale
	if flags&flagSYN != 0 {
		options, window = synOptions, 64240
	}
	acknowledged := to.next
	if flags&flagACK == 0 {
		acknowledged = 0
	}
	segment := binary.BigEndian.AppendUint16(nil, from.port)
	segment = binary.BigEndian.AppendUint16(segment, to.port)
	segment = binary.BigEndian.AppendUint32(segment, from.next)
	segment = binary.BigEndian.AppendUint32(segment, acknowledged)
	segment = append(segment, byte(20+len(options))/4<<4, flags)
	segment = binary.BigEndian.AppendUint16(segment, window)
	segment = append(segment, 0, 0, 0, 0) // checksum, urgent pointer
	segment = slices.Concat(segment, options, payload)

	checksum := frames.TransportChecksum(from.address, to.address, frames.ProtocolTCP, segment)
	binary.BigEndian.PutUint16(segment[16:], checksum)
	return segment
}
