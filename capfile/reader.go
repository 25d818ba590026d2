// Package capfile reads capture files that others made, pcap and pcapng of
// Ethernet frames, from a file or a pipe.
//
// A capture that was cut short or damaged yields every frame before that place
// and then a [TornError]; a file that holds something else is refused by name,
// with [ErrNotCapture] or a [LinkTypeError]. Memory is bounded by the longest
// record that arrived, whatever the lengths in the file claim.
package capfile

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

const (
	// maxCaptured bounds the bytes of one frame: far above tcpdump's limit of
	// 256 KiB, and low enough to tell garbage from a length.
	maxCaptured = 16 << 20
	// readSize is what is asked of the underlying reader at once, and the least
	// by which the record buffer grows.
	readSize = 64 << 10
)

// Frame is one captured frame.
type Frame struct {
	Time       int64  // nanoseconds since the Unix epoch; 0 where the file does not say
	Data       []byte // captured bytes, from the Ethernet header on; valid until the next call of Next
	WireLength int    // bytes on the wire as the record says, at most math.MaxInt32; may be nonsense, or less than len(Data)
}

// Reader reads the frames of one capture. It is not safe for concurrent use.
type Reader struct {
	in     *input
	format format
	err    error // what ended the capture: every later call returns it again
}

// format reads the records of one kind of capture file.
type format interface {
	// next returns the next frame, io.EOF at a clean end.
	next() (Frame, error)
}

// NewReader reads the file header of the pcap or pcapng capture in r, and no
// more of a live pipe than that takes. It returns an error that wraps
// [ErrNotCapture], a [*LinkTypeError], a [*TornError] if the header is not
// whole, or what r returned, wrapped.
func NewReader(r io.Reader) (*Reader, error) {
	in := &input{r: bufio.NewReaderSize(r, readSize)}
	format, err := recognise(in)
	if err != nil {
		return nil, err
	}
	return &Reader{in: in, format: format}, nil
}

// Next returns the next frame, and io.EOF at a clean end. Other errors are a
// [*TornError], a [*LinkTypeError] (pcapng says the link type of each
// interface, and only that of a packet's matters) or what the underlying reader
// returned, wrapped. An error is final: it is returned again from then on.
func (r *Reader) Next() (Frame, error) {
	if r.err != nil {
		return Frame{}, r.err
	}
	frame, err := r.format.next()
	if err != nil {
		r.err = err
		return Frame{}, err
	}
	r.in.frames++
	return frame, nil
}

// recognise opens the format that the first bytes tell.
func recognise(in *input) (format, error) {
	head, err := in.r.Peek(4)
	if err != nil && err != io.EOF {
		return nil, in.broken(err)
	}
	if len(head) < 4 {
		return nil, notCapture(head)
	}
	if blockType(binary.BigEndian.Uint32(head)) == blockSection {
		return openPcapng(in)
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(head) {
		case magicMicroseconds:
			return openPcap(in, order, 1000)
		case magicNanoseconds:
			return openPcap(in, order, 1)
		}
	}
	return nil, notCapture(head)
}

// input hands out records and keeps account of those that proved whole.
type input struct {
	r      *bufio.Reader
	record []byte // the last one taken
	offset int64  // where the last whole record ended
	frames int    // frames returned so far
}

// peek returns the first n bytes of the next record without taking them. It
// returns io.EOF only if the input ends before that record.
func (in *input) peek(n int) ([]byte, error) {
	head, err := in.r.Peek(n)
	if err == io.EOF && len(head) == 0 {
		return nil, io.EOF
	}
	if err != nil {
		return nil, in.broken(err)
	}
	return head, nil
}

// take returns the next n bytes, a record; they last until the next call. The
// buffer grows as bytes arrive, so that a false length costs no memory.
func (in *input) take(n int) ([]byte, error) {
	in.record = in.record[:0]
	for len(in.record) < n {
		have := len(in.record)
		if have == cap(in.record) {
			in.record = slices.Grow(in.record, min(n-have, max(have, readSize)))
		}
		// Not io.ReadFull: it hides whether io.ErrUnexpectedEOF is the reader's own.
		got, err := in.r.Read(in.record[have:min(n, cap(in.record))])
		in.record = in.record[:have+got]
		if err != nil && len(in.record) < n {
			return nil, in.broken(err)
		}
	}
	return in.record, nil
}

// accept counts the record that was taken last as whole.
func (in *input) accept() {
	in.offset += int64(len(in.record))
}

// broken says what kept a record from being read to its end.
func (in *input) broken(err error) error {
	if err == io.EOF {
		if in.offset == 0 {
			return in.torn("the file ends within its header")
		}
		return in.torn("the file ends within the next record")
	}
	return fmt.Errorf("read capture: %w", err)
}

func (in *input) torn(format string, args ...any) error {
	return &TornError{Offset: in.offset, Frames: in.frames, Reason: fmt.Sprintf(format, args...)}
}
