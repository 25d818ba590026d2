package export

import (
	"encoding/binary"
	"errors"
	"math"
)

// The blocks and options of pcapng, as draft-ietf-opsawg-pcapng sections 3 and 4 have
// them. All is little endian, which is the byte order of every host that the kernel
// program is built for: Wireshark reads no other from a pipe.

type blockType uint32

const (
	blockInterface  blockType = 1          // section 4.2
	blockStatistics blockType = 5          // section 4.6
	blockPacket     blockType = 6          // section 4.3
	blockSection    blockType = 0x0a0d0d0a // section 4.1
)

const (
	// Sizes in bytes.
	blockHeadSize = 4 + 4             // type, length
	minBlock      = blockHeadSize + 4 // length again
	// maxBlock is more than any block of ours has, so that a torn length is not believed.
	maxBlock = 1 << 20
)

type optionCode uint16

// Codes mean something else in each type of block.
const (
	optionEnd     optionCode = 0
	optionComment optionCode = 1

	sectionOS          optionCode = 3
	sectionApplication optionCode = 4

	interfaceName        optionCode = 2
	interfaceDescription optionCode = 3
	interfaceResolution  optionCode = 9

	packetFlags optionCode = 2

	statisticsStart     optionCode = 2
	statisticsEnd       optionCode = 3
	statisticsReceived  optionCode = 4
	statisticsDropped   optionCode = 5
	statisticsAccepted  optionCode = 6 // isb_filteraccept
	statisticsDelivered optionCode = 8 // isb_usrdeliv
)

// beginBlock appends a block's type and room for its length.
func beginBlock(dst []byte, t blockType) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(t))
	return binary.LittleEndian.AppendUint32(dst, 0)
}

// endBlock ends the options of the block that begins at dst[at:] and fills in
// both of its lengths.
func endBlock(dst []byte, at int) []byte {
	dst = appendOptionHeader(dst, optionEnd, 0)
	size := uint32(len(dst) - at + 4)
	binary.LittleEndian.PutUint32(dst[at+4:], size)
	return binary.LittleEndian.AppendUint32(dst, size)
}

// readBlockHead reads a block's type and its length in bytes from the first
// blockHeadSize of them, and says whether one of ours can have that length.
func readBlockHead(head []byte) (kind blockType, size int, ok bool) {
	kind, size = blockType(binary.LittleEndian.Uint32(head)), int(binary.LittleEndian.Uint32(head[4:]))
	return kind, size, size >= minBlock && size%4 == 0 && size <= maxBlock
}

// appendText appends an option, or nothing if text is empty.
func appendText(dst []byte, code optionCode, text string) []byte {
	if text == "" {
		return dst
	}
	text = text[:min(len(text), math.MaxUint16)]
	dst = appendOptionHeader(dst, code, len(text))
	dst = append(dst, text...)
	return append(dst, make([]byte, padded(len(text))-len(text))...)
}

// appendCount appends an option of a number of 64 bits.
func appendCount(dst []byte, code optionCode, count uint64) []byte {
	return binary.LittleEndian.AppendUint64(appendOptionHeader(dst, code, 8), count)
}

func appendOptionHeader(dst []byte, code optionCode, length int) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(code))
	return binary.LittleEndian.AppendUint16(dst, uint16(length))
}

func putOptionHeader(dst []byte, code optionCode, length int) {
	binary.LittleEndian.PutUint32(dst, uint32(length)<<16|uint32(code))
}

// readOptions calls each with the options that a block's body ends in.
func readOptions(body []byte, each func(code optionCode, value []byte)) error {
	for len(body) >= 4 {
		code, length := optionCode(binary.LittleEndian.Uint16(body)), int(binary.LittleEndian.Uint16(body[2:]))
		if code == optionEnd {
			return nil
		}
		if body = body[4:]; padded(length) > len(body) {
			return errors.New("an option runs over its block")
		}
		each(code, body[:length])
		body = body[padded(length):]
	}
	return nil
}

// appendTime appends a time, in nanoseconds since the Unix epoch: the high half first.
func appendTime(dst []byte, time int64) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(uint64(time)>>32))
	return binary.LittleEndian.AppendUint32(dst, uint32(time))
}

// readTime reads what appendTime has appended.
func readTime(b []byte) int64 {
	return int64(uint64(binary.LittleEndian.Uint32(b))<<32 | uint64(binary.LittleEndian.Uint32(b[4:])))
}

// putHex fills dst with the last hexadecimal digits of v.
func putHex(dst []byte, v uint64) {
	const digits = "0123456789abcdef"
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = digits[v%16]
		v /= 16
	}
}

// padded is n rounded up to a multiple of four.
func padded(n int) int { return (n + 3) &^ 3 }
