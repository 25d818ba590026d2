package export

import (
	"encoding/binary"

	"github.com/xdpeel/xdpeel/mirror"
)

// Statistics are the counts of one session for its interface statistics block.
type Statistics struct {
	Received uint64 // packets that arrived of it since the capture began
	Dropped  uint64 // packets that were lost before they came to the file, which adds its own losses
}

// StreamCounts is what a Stream says of a session: Offered is the sum of what was
// Accepted, what was Dropped, and what the reader had not asked for.
type StreamCounts struct {
	Offered  uint64 // packets that there were for the reader
	Accepted uint64 // those that it had asked for
	Dropped  uint64 // those that it came too late to read, asked for or not
}

// statisticsBlockSize is what appendStatistics appends, in bytes.
const statisticsBlockSize = blockHeadSize + 4 + 8 + 4*(4+8) + 4 + 4

// sessionInterface is a session that has its interface block.
type sessionInterface struct {
	session     mirror.Session
	first, last int64 // times of its packets, nanoseconds since the Unix epoch
}

// beginStatistics begins an interface statistics block. It is stamped with the time of
// the interface's last packet, so that the same packets always make the same file.
func (i *sessionInterface) beginStatistics(dst []byte, number uint32) []byte {
	dst = beginBlock(dst, blockStatistics)
	dst = binary.LittleEndian.AppendUint32(dst, number)
	return appendTime(dst, i.last)
}

// appendSpan appends the times of the interface's first and last packets.
func (i *sessionInterface) appendSpan(dst []byte) []byte {
	dst = appendTime(appendOptionHeader(dst, statisticsStart, 8), i.first)
	return appendTime(appendOptionHeader(dst, statisticsEnd, 8), i.last)
}

// appendStatistics appends the interface statistics block of the interface with a
// number.
func (i *sessionInterface) appendStatistics(dst []byte, number uint32, counts Statistics) []byte {
	at := len(dst)
	dst = i.beginStatistics(dst, number)
	dst = i.appendSpan(dst)
	dst = appendCount(dst, statisticsReceived, counts.Received)
	dst = appendCount(dst, statisticsDropped, counts.Dropped)
	return endBlock(dst, at)
}

// unknownCounts is the comment of an interface whose counts died with the process.
const unknownCounts = "xdpeel was killed while it wrote this file: its counts are not known"

// appendUnknownStatistics is appendStatistics without counts.
func (i *sessionInterface) appendUnknownStatistics(dst []byte, number uint32) []byte {
	at := len(dst)
	dst = i.beginStatistics(dst, number)
	dst = appendText(dst, optionComment, unknownCounts)
	dst = i.appendSpan(dst)
	return endBlock(dst, at)
}

// appendStreamCounts is appendStatistics with a stream's counts.
func (i *sessionInterface) appendStreamCounts(dst []byte, number uint32, counts StreamCounts) []byte {
	at := len(dst)
	dst = i.beginStatistics(dst, number)
	dst = appendCount(dst, statisticsReceived, counts.Offered)
	dst = appendCount(dst, statisticsDropped, counts.Dropped)
	dst = appendCount(dst, statisticsAccepted, counts.Accepted)
	dst = appendCount(dst, statisticsDelivered, counts.Accepted)
	return endBlock(dst, at)
}

// read reads the options that appendStreamCounts has written. What they do
// not say stays.
func (c *StreamCounts) read(options []byte) error {
	return readOptions(options, func(code optionCode, value []byte) {
		if len(value) != 8 {
			return
		}
		switch number := binary.LittleEndian.Uint64(value); code {
		case statisticsReceived:
			c.Offered = number
		case statisticsDropped:
			c.Dropped = number
		case statisticsAccepted:
			c.Accepted = number
		}
	})
}
