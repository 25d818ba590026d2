package capfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
)

type endian interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// file is a capture in the making, in one byte order.
type file struct {
	order endian
	bytes []byte
	ends  []int // where each record or block ended, the file header first
}

var byteOrders = map[string]endian{"little-endian": binary.LittleEndian, "big-endian": binary.BigEndian}

func (f *file) u16(n uint16) []byte { return f.order.AppendUint16(nil, n) }
func (f *file) u32(n uint32) []byte { return f.order.AppendUint32(nil, n) }
func (f *file) u64(n uint64) []byte { return f.order.AppendUint64(nil, n) }

func (f *file) add(parts ...[]byte) {
	f.bytes = append(f.bytes, slices.Concat(parts...)...)
	f.ends = append(f.ends, len(f.bytes))
}

// pcapFile begins a pcap file; the link type is the whole field of the header.
func pcapFile(order endian, magic, link uint32) *file {
	f := &file{order: order}
	f.add(f.u32(magic), f.u16(2), f.u16(4), f.u32(0), f.u32(0), f.u32(1), f.u32(link))
	return f
}

func (f *file) record(seconds, fraction, wire uint32, data []byte) {
	f.add(f.u32(seconds), f.u32(fraction), f.u32(uint32(len(data))), f.u32(wire), data)
}

func (f *file) block(kind blockType, parts ...[]byte) {
	body := padded(slices.Concat(parts...))
	total := f.u32(uint32(blockMinSize + len(body)))
	f.add(f.u32(uint32(kind)), total, body, total)
}

func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

func (f *file) section(length uint64) {
	f.block(blockSection, f.u32(byteOrderMagic), f.u16(1), f.u16(0), f.u64(length))
}

func (f *file) describe(link uint16, snapLength uint32, options ...[]byte) {
	f.block(blockInterface, f.u16(link), f.u16(0), f.u32(snapLength), slices.Concat(options...))
}

func (f *file) option(code uint16, value []byte) []byte {
	return slices.Concat(f.u16(code), f.u16(uint16(len(value))), padded(slices.Clone(value)))
}

func (f *file) packet(iface uint32, time uint64, wire uint32, data []byte, options ...[]byte) {
	f.block(blockEnhancedPacket, f.u32(iface), f.u32(uint32(time>>32)), f.u32(uint32(time)),
		f.u32(uint32(len(data))), f.u32(wire), padded(slices.Clone(data)), slices.Concat(options...))
}

// pcapngFile begins a pcapng file with a section of unknown length.
func pcapngFile(order endian) *file {
	f := &file{order: order}
	f.section(1<<64 - 1)
	return f
}

// numbered returns n bytes, no two neighbours the same.
func numbered(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + n)
	}
	return b
}

// readAll reads every frame, copied, and the error that came instead of the next.
func readAll(r io.Reader) ([]Frame, error) {
	reader, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	var frames []Frame
	for {
		frame, err := reader.Next()
		if err != nil {
			return frames, err
		}
		frame.Data = slices.Clone(frame.Data)
		frames = append(frames, frame)
	}
}

func readBytes(b []byte) ([]Frame, error) { return readAll(bytes.NewReader(b)) }

func expectFrames(t *testing.T, got, want []Frame) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("read %d frames, want %d", len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; g.Time != w.Time || g.WireLength != w.WireLength || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("frame %d is\n%+v, want\n%+v", i, g, w)
		}
	}
}

func expectTorn(t *testing.T, err error, offset int64, frames int) {
	t.Helper()
	var torn *TornError
	if !errors.As(err, &torn) {
		t.Fatalf("got error %v, want a TornError", err)
	}
	if torn.Offset != offset || torn.Frames != frames || torn.Reason == "" {
		t.Errorf("torn at byte %d after %d frames (%q), want byte %d after %d", torn.Offset, torn.Frames, torn.Reason, offset, frames)
	}
}
