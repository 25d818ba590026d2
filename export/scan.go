package export

import (
	"encoding/binary"
	"strings"
)

// scan reads a capture file of ours that may be torn, block by block.
type scan struct {
	format      Format
	application string // the first word of what a section says made it
	begun       bool   // the header is read
	packets     int
	ended       bool // there are statistics
	times       []sessionInterface
}

// add reads whole blocks and returns how many bytes they take.
func (s *scan) add(b []byte) (whole int) {
	for {
		n := s.block(b[whole:])
		if n == 0 {
			return whole
		}
		whole += n
	}
}

// block reads one block and returns its size, 0 if it is not whole or none of ours.
func (s *scan) block(b []byte) int {
	if s.format == FormatPcap {
		return s.record(b)
	}
	if len(b) < minBlock {
		return 0
	}
	kind, size, ok := readBlockHead(b)
	if !ok || size > len(b) || int(binary.LittleEndian.Uint32(b[size-4:])) != size {
		return 0
	}
	body := b[blockHeadSize : size-4]
	switch {
	case (kind == blockSection) == s.begun:
		return 0
	case kind == blockSection:
		s.begun = strings.Contains(string(body), s.application)
		if !s.begun {
			return 0
		}
	case kind == blockInterface:
		s.times = append(s.times, sessionInterface{})
	case kind == blockPacket:
		if !s.packet(body) {
			return 0
		}
	case kind == blockStatistics:
		s.ended = true
	default:
		return 0
	}
	return size
}

// packet notes the time of a packet; false is one of no interface.
func (s *scan) packet(body []byte) bool {
	if len(body) < packetHeaderSize-blockHeadSize {
		return false
	}
	number := binary.LittleEndian.Uint32(body)
	if int(number) >= len(s.times) {
		return false
	}
	at := readTime(body[4:])
	of := &s.times[number]
	if of.first == 0 {
		of.first = at
	}
	of.last = at
	s.packets++
	return true
}

// record is block of pcap.
func (s *scan) record(b []byte) int {
	if !s.begun {
		s.begun = len(b) >= pcapHeaderSize && binary.LittleEndian.Uint32(b) == pcapMagic
		if !s.begun {
			return 0
		}
		return pcapHeaderSize
	}
	if len(b) < pcapRecordSize {
		return 0
	}
	nanoseconds, size := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	if nanoseconds >= 1e9 || size > maxBlock || pcapRecordSize+int(size) > len(b) || size == 0 {
		return 0
	}
	s.packets++
	return pcapRecordSize + int(size)
}

// end returns the blocks that a file lacks that was not ended.
func (s *scan) end() (blocks []byte) {
	if s.ended {
		return nil
	}
	for number := range s.times {
		blocks = s.times[number].appendUnknownStatistics(blocks, uint32(number))
	}
	return blocks
}
