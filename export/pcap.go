package export

import (
	"encoding/binary"
	"iter"

	"github.com/xdpeel/xdpeel/mirror"
)

const (
	pcapMagic         = 0xa1b23c4d // times in nanoseconds
	pcapHeaderSize    = 24         // bytes
	pcapRecordSize    = 16         // bytes, before the packet's
	defaultSnapLength = 262144     // bytes, tcpdump's, where there is no limit
)

// records is the classic pcap format (pcap-savefile(5)), little endian: a header, then a
// record a packet. It has one interface, no directions, no comments and no statistics.
type records struct {
	snapLength uint32 // bytes, 0 for no limit
}

func (r *records) begin(dst []byte) []byte {
	snapLength := r.snapLength
	if snapLength == 0 {
		snapLength = defaultSnapLength
	}
	dst = binary.LittleEndian.AppendUint32(dst, pcapMagic)
	dst = binary.LittleEndian.AppendUint16(dst, 2) // major version
	dst = binary.LittleEndian.AppendUint16(dst, 4) // minor
	dst = binary.LittleEndian.AppendUint64(dst, 0) // time zone and precision: always zero
	dst = binary.LittleEndian.AppendUint32(dst, snapLength)
	return binary.LittleEndian.AppendUint32(dst, linkTypeEthernet)
}

func (r *records) remark(string) {}

func (r *records) size(p *mirror.Packet) int { return pcapRecordSize + len(p.Data) }

func (r *records) append(dst []byte, p *mirror.Packet) []byte {
	// Seconds are unsigned: they last until 2106.
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Time/1e9))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Time%1e9))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.Data)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Length))
	return append(dst, p.Data...)
}

func (r *records) trailer(*mirror.Packet) int { return 0 }

func (r *records) end(dst []byte, _ func(mirror.Session) Statistics) []byte { return dst }

func (r *records) blocks(buffer []byte) iter.Seq[block] {
	return func(yield func(block) bool) {
		at := 0
		// A buffer holds the header alone, or none.
		if len(buffer) == pcapHeaderSize && binary.LittleEndian.Uint32(buffer) == pcapMagic {
			at = pcapHeaderSize
			if !yield(block{kind: blockSection, end: at}) {
				return
			}
		}
		for at < len(buffer) {
			at += pcapRecordSize + int(binary.LittleEndian.Uint32(buffer[at+8:]))
			if !yield(block{kind: blockPacket, end: at}) {
				return
			}
		}
	}
}

func (r *records) interfaceCount() int { return 0 }

func (r *records) keepInterfaces(int) {}
