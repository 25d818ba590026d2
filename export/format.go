package export

import (
	"iter"

	"github.com/xdpeel/xdpeel/mirror"
)

// Format is how a file holds packets.
type Format string

// The values of Format.
const (
	FormatPcapng Format = "pcapng" // the zero value means it, too
	FormatPcap   Format = "pcap"   // with nanoseconds; it cannot tell sessions apart
)

// format encodes the packets of one file into buffers that others write out.
type format interface {
	// begin forgets the last file, and what was asked of it, and appends the header of
	// the next.
	begin(dst []byte) []byte
	// remark has the next packet carry a comment, where the format knows such.
	remark(text string)
	// size is how many bytes append appends for p.
	size(p *mirror.Packet) int
	// append appends p, with what the file must say of its session before.
	append(dst []byte, p *mirror.Packet) []byte
	// trailer is how many bytes end appends, were p in the file as well, whose size was
	// asked for last; nil is none.
	trailer(p *mirror.Packet) int
	// end appends what stands behind the last packet.
	end(dst []byte, counts func(mirror.Session) Statistics) []byte
	// blocks walks a buffer of whole blocks. Each tells its length, so nothing has
	// to remember where they end but when a write fails.
	blocks(buffer []byte) iter.Seq[block]
	// interfaceCount is how many interfaces the file has.
	interfaceCount() int
	// keepInterfaces forgets all interfaces of the file but the first n.
	keepInterfaces(n int)
}

// block is one block of a buffer: of pcapng, or a packet's record of pcap.
type block struct {
	kind    blockType
	end     int            // offset behind its last byte
	session mirror.Session // of a pcapng packet
}

func newFormat(o FileOptions) format {
	if o.Format == FormatPcap {
		return &records{snapLength: o.SnapLength}
	}
	return &section{application: o.Application, os: hostOS(), snapLength: o.SnapLength, name: o.Name}
}
