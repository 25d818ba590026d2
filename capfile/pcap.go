package capfile

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Magic numbers of pcap, as read in the byte order of the file, pcap-savefile(5).
const (
	magicMicroseconds = 0xa1b2c3d4
	magicNanoseconds  = 0xa1b23c4d
)

const (
	pcapHeaderSize   = 24 // magic, version 2+2, reserved 4+4, snap length, link type
	recordHeaderSize = 16 // seconds, fraction, captured length, wire length

	// linkTypeMask leaves out the upper bits, which say whether an Ethernet
	// frame check sequence was captured, and how long it is.
	linkTypeMask = 0x03ffffff
)

type pcap struct {
	*input
	order binary.ByteOrder
	unit  int64 // nanoseconds in one unit of a time's fraction
}

func openPcap(in *input, order binary.ByteOrder, unit int64) (format, error) {
	header, err := in.take(pcapHeaderSize)
	if err != nil {
		return nil, err
	}
	// Files before version 2.4 have the two lengths of a record the other way round.
	major, minor := order.Uint16(header[4:]), order.Uint16(header[6:])
	if major != 2 || minor < 4 {
		return nil, fmt.Errorf("%w: it is of pcap version %d.%d and only 2.4 can be read", ErrNotCapture, major, minor)
	}
	if link := int(order.Uint32(header[20:]) & linkTypeMask); link != linkTypeEthernet {
		return nil, &LinkTypeError{link}
	}
	in.accept()
	return &pcap{in, order, unit}, nil
}

func (p *pcap) next() (Frame, error) {
	header, err := p.peek(recordHeaderSize)
	if err != nil {
		return Frame{}, err
	}
	captured := p.order.Uint32(header[8:])
	if captured > maxCaptured {
		return Frame{}, p.torn("a captured length of %d bytes is beyond any frame", captured)
	}
	record, err := p.take(recordHeaderSize + int(captured))
	if err != nil {
		return Frame{}, err
	}
	p.accept()
	seconds, fraction := p.order.Uint32(record), p.order.Uint32(record[4:])
	return Frame{
		Time:       int64(seconds)*1e9 + int64(fraction)*p.unit,
		Data:       record[recordHeaderSize:],
		WireLength: clampLength(p.order.Uint32(record[12:])),
	}, nil
}

// clampLength keeps a nonsensical wire length positive where int has 32 bits.
func clampLength(n uint32) int {
	return int(min(n, math.MaxInt32))
}
