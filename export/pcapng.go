package export

import (
	"encoding/binary"
	"iter"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

const (
	byteOrderMagic   = 0x1a2b3c4d
	linkTypeEthernet = 1
	nanoseconds      = "\x09" // if_tsresol: 10^-9 s

	// Sizes in bytes, the block's two length fields included.
	packetHeaderSize  = 28
	packetTrailerSize = 8 + 4 + 4 // flags, end of options, length

	flagChecksumNotReady = 1 << 9 // epb_flags: the draft's newest text; readers of older ones ignore it

	commentPrefix = "gwlb endpoint 0x"
	commentSize   = len(commentPrefix) + 16 // a multiple of four, so it needs no padding
)

// directionFlags are bits 0 and 1 of epb_flags; four of them, so that no index is out of range.
var directionFlags = [4]uint32{abi.DirectionIngress: 1, abi.DirectionEgress: 2}

// recentSessions is a power of two. Mirrors of one target mostly differ in VNI, so
// few of them share a slot.
const recentSessions = 1024

// section encodes the blocks of one file into buffers that others write out. It
// knows which sessions have their interface block.
type section struct {
	application string
	os          string
	snapLength  uint32                      // bytes, 0 for no limit
	name        func(mirror.Session) string // nil: none has a name

	interfaces []sessionInterface // by interface number
	numbers    map[mirror.Session]uint32
	note       string // comment of the next packet
	scratch    []byte
	sized      sizedPacket
	// recent holds an interface number for each of the last bits of a VNI. It spares
	// the lookup in numbers, which costs more than all the rest of a small packet.
	recent [recentSessions]uint32
}

// sizedPacket is what size found out about a packet, so that append need not.
type sizedPacket struct {
	packet *mirror.Packet
	number uint32 // of its interface
	known  bool   // whether there is one
	size   int    // of its block
}

func (s *section) begin(dst []byte) []byte {
	s.interfaces = s.interfaces[:0]
	s.numbers = make(map[mirror.Session]uint32)
	s.sized.packet = nil

	at := len(dst)
	dst = beginBlock(dst, blockSection)
	dst = binary.LittleEndian.AppendUint32(dst, byteOrderMagic)
	dst = binary.LittleEndian.AppendUint16(dst, 1)              // major version
	dst = binary.LittleEndian.AppendUint16(dst, 0)              // minor
	dst = binary.LittleEndian.AppendUint64(dst, math.MaxUint64) // section length: not known
	dst = appendText(dst, sectionOS, s.os)
	dst = appendText(dst, sectionApplication, s.application)
	return endBlock(dst, at)
}

func (s *section) remark(text string) { s.note = text }

func (s *section) size(p *mirror.Packet) int {
	s.sized.packet, s.sized.size = p, s.packetSize(p)
	s.sized.number, s.sized.known = s.number(p.Session)
	if s.sized.known {
		return s.sized.size
	}
	s.scratch = s.appendInterface(s.scratch[:0], p.Session)
	return s.sized.size + len(s.scratch)
}

func (s *section) append(dst []byte, p *mirror.Packet) []byte {
	if s.sized.packet != p {
		s.size(p)
	}
	number := s.sized.number
	if !s.sized.known {
		number = s.addInterface(p.Session, p.Time)
		dst = append(dst, s.scratch...)
	}
	s.sized.packet = nil
	return s.appendSized(dst, p, number, s.sized.size)
}

func (s *section) trailer(p *mirror.Packet) int {
	interfaces := len(s.interfaces)
	if p != nil && s.sized.packet == p && !s.sized.known {
		interfaces++
	}
	return interfaces * statisticsBlockSize
}

func (s *section) end(dst []byte, counts func(mirror.Session) Statistics) []byte {
	for number := range s.interfaces {
		of := &s.interfaces[number]
		dst = of.appendStatistics(dst, uint32(number), counts(of.session))
	}
	return dst
}

// hostOS is the "Linux 6.1.0" of this machine, for the section header.
func hostOS() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "Linux"
	}
	return "Linux " + strings.TrimSpace(string(release))
}

// number returns the interface number of a session that has its interface block.
func (s *section) number(session mirror.Session) (number uint32, known bool) {
	recent := &s.recent[session.VNI%recentSessions]
	if int(*recent) < len(s.interfaces) && s.interfaces[*recent].session == session {
		return *recent, true
	}
	number, known = s.numbers[session]
	*recent = number
	return number, known
}

// addInterface gives a session the next number. Its interface block must be
// written before the session's first packet, which is at the given time.
func (s *section) addInterface(session mirror.Session, time int64) (number uint32) {
	number = uint32(len(s.interfaces))
	s.interfaces = append(s.interfaces, sessionInterface{session: session, first: time, last: time})
	s.numbers[session] = number
	return number
}

func (s *section) interfaceCount() int { return len(s.interfaces) }

func (s *section) keepInterfaces(n int) {
	s.sized.packet = nil
	for _, lost := range s.interfaces[n:] {
		delete(s.numbers, lost.session)
	}
	s.interfaces = s.interfaces[:n]
}

// appendInterface appends the interface description block of a session.
func (s *section) appendInterface(dst []byte, session mirror.Session) []byte {
	at := len(dst)
	dst = beginBlock(dst, blockInterface)
	dst = binary.LittleEndian.AppendUint16(dst, linkTypeEthernet)
	dst = binary.LittleEndian.AppendUint16(dst, 0) // reserved
	dst = binary.LittleEndian.AppendUint32(dst, s.snapLength)
	dst = appendText(dst, interfaceName, session.String())
	if s.name != nil {
		dst = appendText(dst, interfaceDescription, s.name(session))
	}
	dst = appendText(dst, interfaceResolution, nanoseconds)
	return endBlock(dst, at)
}

// packetSize is the size of a packet's block.
func (s *section) packetSize(p *mirror.Packet) int {
	size := packetHeaderSize + padded(len(p.Data)) + packetTrailerSize
	if s.note != "" {
		size += 4 + padded(len(s.note))
	}
	if p.Endpoint != 0 {
		size += 4 + commentSize
	}
	return size
}

// appendPacket appends the enhanced packet block of p, of interface number.
func (s *section) appendPacket(dst []byte, p *mirror.Packet, number uint32) []byte {
	return s.appendSized(dst, p, number, s.packetSize(p))
}

// appendSized is appendPacket of one whose block is known to be of size bytes.
func (s *section) appendSized(dst []byte, p *mirror.Packet, number uint32, size int) []byte {
	at := len(dst)
	dst = slices.Grow(dst, size)[:at+size]
	s.putPacket(dst[at:], p, number)
	return dst
}

// putPacket fills block, which is of the packet's size, with the enhanced packet block of
// p, of interface number.
func (s *section) putPacket(block []byte, p *mirror.Packet, number uint32) {
	times := &s.interfaces[number]
	times.first, times.last = min(times.first, p.Time), max(times.last, p.Time)

	header := block[:packetHeaderSize]
	binary.LittleEndian.PutUint32(header[0:], uint32(blockPacket))
	binary.LittleEndian.PutUint32(header[4:], uint32(len(block)))
	binary.LittleEndian.PutUint32(header[8:], number)
	binary.LittleEndian.PutUint32(header[12:], uint32(uint64(p.Time)>>32))
	binary.LittleEndian.PutUint32(header[16:], uint32(p.Time))
	binary.LittleEndian.PutUint32(header[20:], uint32(len(p.Data)))
	binary.LittleEndian.PutUint32(header[24:], uint32(p.Length))

	if data := block[packetHeaderSize:]; len(p.Data) > 0 && &data[0] != &p.Data[0] {
		copy(data, p.Data)
	} // else the block is made where the data is
	// The padding is at most three bytes of these four; the options overwrite the others.
	clear(block[packetHeaderSize+len(p.Data):][:4])
	s.putPacketOptions(block[packetHeaderSize+padded(len(p.Data)):], p)
	binary.LittleEndian.PutUint32(block[len(block)-4:], uint32(len(block)))
}

// putPacketOptions fills options, which has room for the options of p and the
// block's length behind them.
func (s *section) putPacketOptions(options []byte, p *mirror.Packet) {
	flags := directionFlags[p.Direction%4]
	if p.Truncated {
		// AWS computes no checksum for a packet that it cuts.
		flags |= flagChecksumNotReady
	}
	putOptionHeader(options, packetFlags, 4)
	binary.LittleEndian.PutUint32(options[4:], flags)
	options = options[8:]
	if p.Endpoint != 0 {
		putOptionHeader(options, optionComment, commentSize)
		copy(options[4:], commentPrefix)
		putHex(options[4+len(commentPrefix):][:16], p.Endpoint)
		options = options[4+commentSize:]
	}
	if s.note != "" {
		putOptionHeader(options, optionComment, len(s.note))
		clear(options[4+copy(options[4:], s.note):][:padded(len(s.note))-len(s.note)])
		options = options[4+padded(len(s.note)):]
		s.note = ""
	}
	putOptionHeader(options, optionEnd, 0)
}

func (s *section) blocks(buffer []byte) iter.Seq[block] {
	return func(yield func(block) bool) {
		for at := 0; at < len(buffer); {
			b := block{
				kind: blockType(binary.LittleEndian.Uint32(buffer[at:])),
				end:  at + int(binary.LittleEndian.Uint32(buffer[at+4:])),
			}
			if b.kind == blockPacket {
				b.session = s.interfaces[binary.LittleEndian.Uint32(buffer[at+8:])].session
			}
			if !yield(b) {
				return
			}
			at = b.end
		}
	}
}
