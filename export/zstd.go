package export

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// zstdCodec makes one frame of a file, since Wireshark 4.0 fails to read some files
// of several. After each bundle the encoder is flushed, so that a zstd block ends
// there; and the frame is always ended by hand, so that it can be where the encoder
// is not, or there is none any more.
type zstdCodec struct {
	encoder *zstd.Encoder
	out     bytes.Buffer
	digest  *xxhash.Digest // of what the file has
	stored  bool           // bundles are not compressed: the encoder refers to what is not in the file
}

const (
	zstdWindow    = 256 << 10 // bytes; three or four times that is what an encoder takes of memory
	zstdBlockSize = 128 << 10 // the most that a zstd block holds
	zstdLast      = 1         // in a block's header: it is the last
)

func (c *zstdCodec) begin() {
	if c.encoder == nil {
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(true))
		if err != nil {
			panic(err) // the options are wrong
		}
		c.encoder, c.digest = encoder, xxhash.New()
	}
	c.out.Reset()
	c.encoder.Reset(&c.out)
	c.digest.Reset()
	c.stored = false
}

func (c *zstdCodec) inOrder() bool { return true }

func (c *zstdCodec) pack(dst, blocks []byte) []byte {
	if c.stored {
		return appendStored(dst, blocks)
	}
	c.out.Reset()
	_, _ = c.encoder.Write(blocks) // a buffer takes all
	_ = c.encoder.Flush()
	return append(dst, c.out.Bytes()...)
}

func (c *zstdCodec) keep(blocks []byte) { _, _ = c.digest.Write(blocks) }

func (c *zstdCodec) fail() { c.stored = true }

func (c *zstdCodec) end() []byte { return zstdEnd(c.digest) }

// appendStored appends zstd blocks that hold bytes as they are. A block's header has three
// bytes, little endian: from the lowest bit on whether it is the last, two bits of its type
// (0 is raw), and its size (RFC 8878 section 3.1.1.2).
func appendStored(dst, bytes []byte) []byte {
	for len(bytes) > 0 {
		n := min(len(bytes), zstdBlockSize)
		dst = append(dst, byte(n<<3), byte(n>>5), byte(n>>13))
		dst = append(dst, bytes[:n]...)
		bytes = bytes[n:]
	}
	return dst
}

// zstdEnd ends a frame of which digest is: an empty block, and the lower four bytes of the
// checksum (RFC 8878 section 3.1.1).
func zstdEnd(digest *xxhash.Digest) []byte {
	return binary.LittleEndian.AppendUint32([]byte{zstdLast, 0, 0}, uint32(digest.Sum64()))
}

// zstdFrame reads a file of one frame that may be torn. It returns where it ceases
// to be whole, and the digest up to there.
func (s *scan) zstdFrame(file io.Reader) (whole int64, digest *xxhash.Digest, err error) {
	w := &frameWalk{scan: *s, source: &countingReader{Reader: bufio.NewReaderSize(file, maxBlock)}, digest: xxhash.New()}
	// One that does not read ahead, and hands on block by block.
	decoder, err := zstd.NewReader(w.source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<40))
	if err != nil {
		return 0, w.digest, nil // nothing of it is whole
	}
	defer decoder.Close()
	_, _ = decoder.WriteTo(w) // where it fails, it is torn
	*s = w.kept
	return w.whole, w.digest, nil
}

// frameWalk is given what a decoder makes of each zstd block.
type frameWalk struct {
	scan
	kept   scan // as it was where the file was last whole
	source *countingReader
	left   []byte         // what came since
	parsed int            // how much of it scan has taken
	whole  int64          // bytes of source up to there
	digest *xxhash.Digest // of the content up to there
}

func (w *frameWalk) Write(content []byte) (int, error) {
	w.left = append(w.left, content...)
	w.parsed += w.add(w.left[w.parsed:])
	if w.parsed == len(w.left) {
		_, _ = w.digest.Write(w.left)
		w.whole, w.left, w.parsed = w.source.read, w.left[:0], 0
		w.kept = w.scan
		w.kept.times = slices.Clone(w.times)
	}
	if len(w.left)-w.parsed > maxBlock {
		return 0, io.ErrUnexpectedEOF
	}
	return len(content), nil
}
