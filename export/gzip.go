package export

import (
	"bufio"
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipCodec makes a member of each bundle: a gzip file may have any number of them
// (RFC 1952 section 2.2).
type gzipCodec struct{}

var gzipWriters = sync.Pool{New: func() any {
	writer, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is wrong
	}
	return writer
}}

func (gzipCodec) begin()        {}
func (gzipCodec) inOrder() bool { return false }
func (gzipCodec) keep([]byte)   {}
func (gzipCodec) fail()         {}
func (gzipCodec) end() []byte   { return nil }

func (gzipCodec) pack(dst, blocks []byte) []byte {
	out := bytes.NewBuffer(dst)
	writer := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(writer)
	writer.Reset(out)
	_, _ = writer.Write(blocks) // a buffer takes all
	_ = writer.Close()
	return out.Bytes()
}

// gzipMembers reads a file that may be torn, and returns where it ceases to be whole.
func (s *scan) gzipMembers(file io.Reader) (whole int64, err error) {
	counted := &countingReader{Reader: bufio.NewReaderSize(file, maxBlock)}
	var member gzip.Reader
	for {
		if err := member.Reset(counted); err != nil {
			return whole, nil // the end, or what is torn
		}
		member.Multistream(false)
		blocks, err := io.ReadAll(&member)
		if err != nil || s.add(blocks) != len(blocks) {
			return whole, nil
		}
		whole = counted.read
	}
}

// countingReader counts bytes. As an io.ByteReader it is read no further than needed.
type countingReader struct {
	*bufio.Reader
	read int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	return n, err
}

func (c *countingReader) ReadByte() (byte, error) {
	b, err := c.Reader.ReadByte()
	if err == nil {
		c.read++
	}
	return b, err
}
