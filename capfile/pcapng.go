package capfile

import "encoding/binary"

// blockType tells the blocks of pcapng apart, draft-ietf-opsawg-pcapng section 4.
type blockType uint32

const (
	blockSection        blockType = 0x0a0d0d0a // the same in either byte order
	blockInterface      blockType = 1
	blockObsoletePacket blockType = 2
	blockSimplePacket   blockType = 3
	blockEnhancedPacket blockType = 6
)

const (
	byteOrderMagic = 0x1a2b3c4d

	blockHeaderSize  = 8 // type, total length
	blockTrailerSize = 4 // total length again
	blockMinSize     = blockHeaderSize + blockTrailerSize
	// blockMaxSize leaves a frame of the longest kind 1 MiB for its options.
	blockMaxSize = maxCaptured + 1<<20

	optionEnd            = 0
	optionTimeResolution = 9  // if_tsresol
	optionTimeOffset     = 14 // if_tsoffset
)

type pcapng struct {
	*input
	order      binary.ByteOrder // of the current section
	interfaces []captureInterface
}

// captureInterface is what an interface description block says.
type captureInterface struct {
	linkType   int
	snapLength uint32 // bytes, 0 is no limit
	clock      clock
}

// openPcapng reads the first section header.
func openPcapng(in *input) (format, error) {
	p := &pcapng{input: in}
	head, err := p.peek(blockMinSize)
	if err != nil {
		return nil, err
	}
	if byteOrder(head[blockHeaderSize:]) == nil {
		return nil, notCapture(head)
	}
	if _, _, err := p.block(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *pcapng) next() (Frame, error) {
	for {
		frame, isPacket, err := p.block()
		if err != nil || isPacket {
			return frame, err
		}
	}
}

// block reads one block, and says whether it was a packet.
func (p *pcapng) block() (frame Frame, isPacket bool, err error) {
	kind, body, err := p.takeBlock()
	if err != nil {
		return Frame{}, false, err
	}
	switch kind {
	case blockSection:
		err = p.section(body)
	case blockInterface:
		err = p.describeInterface(body)
	case blockEnhancedPacket, blockObsoletePacket:
		frame, err = p.packet(kind, body)
		isPacket = true
	case blockSimplePacket:
		frame, err = p.simplePacket(body)
		isPacket = true
	}
	if err != nil {
		return Frame{}, false, err
	}
	p.accept()
	return frame, isPacket, nil
}

// takeBlock returns the next block's type and what is between its two lengths.
func (p *pcapng) takeBlock() (blockType, []byte, error) {
	head, err := p.peek(blockMinSize)
	if err != nil {
		return 0, nil, err
	}
	if blockType(binary.BigEndian.Uint32(head)) == blockSection {
		// Its length, too, is in the byte order that it announces behind it.
		if p.order = byteOrder(head[blockHeaderSize:]); p.order == nil {
			return 0, nil, p.torn("a section header has no byte-order magic")
		}
	}
	kind, total := blockType(p.order.Uint32(head)), p.order.Uint32(head[4:])
	if total < blockMinSize || total%4 != 0 || total > blockMaxSize {
		return 0, nil, p.torn("a block of type %#x cannot have a total length of %d bytes", uint32(kind), total)
	}
	block, err := p.take(int(total))
	if err != nil {
		return 0, nil, err
	}
	end := len(block) - blockTrailerSize
	if trailer := p.order.Uint32(block[end:]); trailer != total {
		return 0, nil, p.torn("a block of type %#x begins with a total length of %d and ends with %d", uint32(kind), total, trailer)
	}
	return kind, block[blockHeaderSize:end], nil
}

// byteOrder returns the one in which b begins with the byte-order magic, nil if neither.
func byteOrder(b []byte) binary.ByteOrder {
	switch {
	case binary.LittleEndian.Uint32(b) == byteOrderMagic:
		return binary.LittleEndian
	case binary.BigEndian.Uint32(b) == byteOrderMagic:
		return binary.BigEndian
	}
	return nil
}

// section begins a new section, whose interfaces count from 0 again. The
// section's length is of no use here: blocks are read one after the other.
func (p *pcapng) section(body []byte) error {
	if len(body) < 16 { // byte-order magic, version 2+2, section length 8
		return p.torn("a section header has no room for its fields")
	}
	// Version 1.2 was written by mistake and is the same as 1.0, as the draft says.
	if major, minor := p.order.Uint16(body[4:]), p.order.Uint16(body[6:]); major != 1 {
		return p.torn("a section is of pcapng version %d.%d, which is not known", major, minor)
	}
	p.interfaces = p.interfaces[:0]
	return nil
}

func (p *pcapng) describeInterface(body []byte) error {
	if len(body) < 8 { // link type 2, reserved 2, snap length 4
		return p.torn("an interface description has no room for its fields")
	}
	described := captureInterface{
		linkType:   int(p.order.Uint16(body)),
		snapLength: p.order.Uint32(body[4:]),
	}
	resolution, offset := byte(resolutionMicroseconds), int64(0)
	for options := body[8:]; len(options) >= 4; {
		code, length := p.order.Uint16(options), int(p.order.Uint16(options[2:]))
		if code == optionEnd {
			break
		}
		padded := (length + 3) &^ 3
		if options = options[4:]; padded > len(options) {
			return p.torn("option %d of an interface description runs over its block", code)
		}
		switch value := options[:length]; {
		case code == optionTimeResolution && length == 1:
			resolution = value[0]
		case code == optionTimeOffset && length == 8:
			offset = int64(p.order.Uint64(value))
		}
		options = options[padded:]
	}
	described.clock = newClock(resolution, offset)
	p.interfaces = append(p.interfaces, described)
	return nil
}

// packet reads an enhanced or an obsolete packet block. They differ in the
// first four bytes: an interface number, or half of one and a count of drops.
func (p *pcapng) packet(kind blockType, body []byte) (Frame, error) {
	if len(body) < 20 { // interface 4, time 4+4, captured length 4, wire length 4
		return Frame{}, p.torn("a packet block has no room for its fields")
	}
	number := p.order.Uint32(body)
	if kind == blockObsoletePacket {
		number = uint32(p.order.Uint16(body))
	}
	from, err := p.ethernet(number)
	if err != nil {
		return Frame{}, err
	}
	data, captured := body[20:], p.order.Uint32(body[12:])
	if captured > maxCaptured || int(captured) > len(data) {
		return Frame{}, p.torn("a captured length of %d bytes is more than its block holds", captured)
	}
	return Frame{
		Time:       from.clock.nanoseconds(uint64(p.order.Uint32(body[4:]))<<32 | uint64(p.order.Uint32(body[8:]))),
		Data:       data[:captured],
		WireLength: clampLength(p.order.Uint32(body[16:])),
	}, nil
}

// simplePacket reads a block that leaves unsaid its time, its captured length
// and its interface, which is the first.
func (p *pcapng) simplePacket(body []byte) (Frame, error) {
	if len(body) < 4 {
		return Frame{}, p.torn("a simple packet block has no room for its length")
	}
	from, err := p.ethernet(0)
	if err != nil {
		return Frame{}, err
	}
	wire, data := p.order.Uint32(body), body[4:]
	captured := min(wire, uint32(len(data)), maxCaptured)
	if from.snapLength != 0 {
		captured = min(captured, from.snapLength)
	}
	return Frame{Data: data[:captured], WireLength: clampLength(wire)}, nil
}

// ethernet returns the interface that a packet says it is from.
func (p *pcapng) ethernet(number uint32) (captureInterface, error) {
	if uint64(number) >= uint64(len(p.interfaces)) {
		return captureInterface{}, p.torn("a packet is of interface %d, but only %d are described", number, len(p.interfaces))
	}
	from := p.interfaces[number]
	if from.linkType != linkTypeEthernet {
		return captureInterface{}, &LinkTypeError{from.linkType}
	}
	return from, nil
}
