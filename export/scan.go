package export

import (
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
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

// read reads a file up to where it ceases to be whole, and returns what is to be put
// there so that it is a complete one.
func (s *scan) read(name string, file io.Reader) (whole int64, end []byte, err error) {
	switch filepath.Ext(name) {
	case ".zst":
		whole, digest, err := s.zstdFrame(file)
		blocks := s.end()
		_, _ = digest.Write(blocks)
		return whole, append(appendStored(nil, blocks), zstdEnd(digest)...), err
	case ".gz":
		whole, err := s.gzipMembers(file)
		if end = s.end(); len(end) > 0 {
			end = gzipCodec{}.pack(nil, end)
		}
		return whole, end, err
	}
	whole, err = s.plain(file)
	return whole, s.end(), err
}

// plain reads a file that is not compressed, and returns where it ceases to be whole.
func (s *scan) plain(file io.Reader) (whole int64, err error) {
	buffer, filled := make([]byte, 4*maxBlock), 0
	for {
		n, err := io.ReadFull(file, buffer[filled:])
		filled += n
		taken := s.add(buffer[:filled])
		whole += int64(taken)
		filled = copy(buffer, buffer[taken:filled])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || taken == 0 {
			return whole, nil
		}
		if err != nil {
			return whole, err
		}
	}
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
