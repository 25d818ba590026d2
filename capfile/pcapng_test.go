package capfile

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"testing"
)

func TestPcapng(t *testing.T) {
	t.Parallel()
	for name, order := range byteOrders {
		f := pcapngFile(order)
		comment := f.option(1, []byte("why"))
		f.describe(1, 0)
		f.describe(1, 40, comment, f.option(optionTimeResolution, []byte{9}), comment, f.option(optionEnd, nil), f.u32(0xdeadbeef))
		f.describe(113, 0) // no packet is of this one
		f.block(4, f.u32(0), numbered(32))
		f.packet(1, 1700000000123456789, 60, numbered(60), comment)
		f.packet(0, 1700000000123456, 1500, numbered(41))
		f.block(0x80000bad, numbered(7))
		f.packet(0, 0, math.MaxUint32, nil)
		f.packet(0, 0, 3, numbered(5))
		f.block(blockObsoletePacket, f.u16(1), f.u16(777), f.u32(0), f.u32(5), f.u32(6), f.u32(7), padded(numbered(6)))
		got, err := readBytes(f.bytes)
		if err != io.EOF {
			t.Fatalf("%s: %v", name, err)
		}
		expectFrames(t, got, []Frame{
			{1700000000123456789, numbered(60), 60},
			{1700000000123456000, numbered(41), 1500},
			{0, nil, math.MaxInt32},
			{0, numbered(5), 3},
			{5, numbered(6), 7},
		})
	}
}

// TestPcapngSections changes byte order, interfaces and stated length from
// section to section.
func TestPcapngSections(t *testing.T) {
	t.Parallel()
	var all []byte
	var want []Frame
	for i, order := range []endian{binary.BigEndian, binary.LittleEndian, binary.LittleEndian, binary.BigEndian} {
		f := &file{order: order}
		f.section([]uint64{1<<64 - 1, 0, 12345, 1<<64 - 1}[i])
		f.describe(1, 0, f.option(optionTimeResolution, []byte{byte(i)}))
		f.packet(0, uint64(i+1), 60, numbered(60+i))
		all = append(all, f.bytes...)
		want = append(want, Frame{int64(i+1) * []int64{1e9, 1e8, 1e7, 1e6}[i], numbered(60 + i), 60})
	}
	got, err := readBytes(all)
	if err != io.EOF {
		t.Fatal(err)
	}
	expectFrames(t, got, want)

	t.Run("interfaces do not outlive their section", func(t *testing.T) {
		f := &file{order: binary.LittleEndian}
		f.section(1<<64 - 1)
		f.packet(0, 0, 60, numbered(60))
		got, err := readBytes(slices.Concat(all, f.bytes))
		expectTorn(t, err, int64(len(all)+f.ends[0]), len(want))
		expectFrames(t, got, want)
	})
}

func TestPcapngSimplePacket(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		snapLength, wire, room, want uint32
	}{
		{0, 60, 60, 60},
		{0, 59, 60, 59},
		{0, 1500, 60, 60}, // the block holds less than the interface would let through
		{40, 1500, 40, 40},
		{40, 30, 32, 30},
		{100, 1500, 60, 60},
		{0, math.MaxUint32, 4, 4},
		{0, 0, 0, 0},
	} {
		f := pcapngFile(binary.BigEndian)
		f.describe(1, row.snapLength)
		f.describe(1, 1)
		f.block(blockSimplePacket, f.u32(row.wire), numbered(int(row.room)))
		got, err := readBytes(f.bytes)
		if err != io.EOF {
			t.Fatalf("%+v: %v", row, err)
		}
		expectFrames(t, got, []Frame{{0, numbered(int(row.room))[:row.want], clampLength(row.wire)}})
	}
}

func goodPacket(f *file) { f.packet(0, 0, 60, numbered(60)) }

// Where in goodPacket's block lengths are.
const capturedAt, trailerAt = 20, 88

// spoils are blocks with one thing wrong.
var spoils = map[string]struct {
	add    func(f *file)
	offset int // in the block
	value  uint32
}{
	"total length 0":                      {goodPacket, 4, 0},
	"total length under 12":               {goodPacket, 4, 8},
	"total length not of whole words":     {goodPacket, 4, 90},
	"total length beyond any block":       {goodPacket, 4, blockMaxSize + 4},
	"total length of ones":                {goodPacket, 4, math.MaxUint32},
	"total length behind the end":         {goodPacket, 4, 96},
	"total length before the end":         {goodPacket, 4, 84},
	"trailing length disagrees":           {goodPacket, trailerAt, 96},
	"captured length over the block":      {goodPacket, capturedAt, 61},
	"captured length beyond any frame":    {goodPacket, capturedAt, maxCaptured + 1},
	"captured length of ones":             {goodPacket, capturedAt, math.MaxUint32},
	"interface not described":             {goodPacket, 8, 1},
	"interface of ones":                   {goodPacket, 8, math.MaxUint32},
	"packet block without fields":         {func(f *file) { f.block(blockEnhancedPacket, numbered(16)) }, 8, 0},
	"obsolete packet, interface unknown":  {func(f *file) { f.block(blockObsoletePacket, make([]byte, 20)) }, 8, 0x01010101},
	"simple packet without length":        {func(f *file) { f.block(blockSimplePacket) }, 0, uint32(blockSimplePacket)},
	"interface description without field": {func(f *file) { f.block(blockInterface, numbered(4)) }, 8, 1},
	"option over its block":               {func(f *file) { f.describe(1, 0, f.option(2, numbered(8))) }, 18, 9},
	"section without byte-order magic":    {func(f *file) { f.section(0) }, 8, 0x11223344},
	"section without fields":              {func(f *file) { f.block(blockSection, f.u32(byteOrderMagic)) }, 8, byteOrderMagic},
	"section of version 2":                {func(f *file) { f.section(0) }, 12, 0x00020002},
}

// TestPcapngDamage spoils one thing in the fourth block of a good file.
func TestPcapngDamage(t *testing.T) {
	t.Parallel()
	for name, row := range spoils {
		t.Run(name, func(t *testing.T) {
			f := pcapngFile(binary.LittleEndian)
			f.describe(1, 0)
			f.packet(0, 7000, 42, numbered(42))
			begin := len(f.bytes)
			row.add(f)
			if row.offset == 18 { // the option's length, of 16 bits
				f.order.PutUint16(f.bytes[begin+row.offset:], uint16(row.value))
			} else {
				f.order.PutUint32(f.bytes[begin+row.offset:], row.value)
			}
			goodPacket(f)
			got, err := readBytes(f.bytes)
			expectTorn(t, err, int64(begin), 1)
			expectFrames(t, got, []Frame{{7000000, numbered(42), 42}})
		})
	}
}

// TestPcapngDamageAtTheBeginning spoils the first and the second block.
func TestPcapngDamageAtTheBeginning(t *testing.T) {
	t.Parallel()
	t.Run("simple packet before any interface", func(t *testing.T) {
		f := pcapngFile(binary.LittleEndian)
		f.block(blockSimplePacket, f.u32(4), numbered(4))
		_, err := readBytes(f.bytes)
		expectTorn(t, err, int64(f.ends[0]), 0)
	})
	t.Run("first section of version 2", func(t *testing.T) {
		f := pcapngFile(binary.LittleEndian)
		f.bytes[12] = 2
		_, err := readBytes(f.bytes)
		expectTorn(t, err, 0, 0)
	})
}

func TestPcapngForeignInterface(t *testing.T) {
	t.Parallel()
	f := pcapngFile(binary.LittleEndian)
	f.describe(276, 0)
	f.describe(1, 0)
	f.packet(1, 0, 42, numbered(42))
	f.packet(0, 0, 42, numbered(42))
	got, err := readBytes(f.bytes)
	var linkErr *LinkTypeError
	if !errors.As(err, &linkErr) || linkErr.LinkType != 276 {
		t.Errorf("got %v, want a LinkTypeError of 276", err)
	}
	expectFrames(t, got, []Frame{{0, numbered(42), 42}})
}

func TestPcapngTimeOptions(t *testing.T) {
	t.Parallel()
	f := pcapngFile(binary.BigEndian)
	f.describe(1, 0, f.option(optionTimeOffset, f.u64(1600000000)), f.option(optionTimeResolution, []byte{3}))
	f.describe(1, 0, f.option(optionTimeResolution, []byte{0x80 | 10}), f.option(optionTimeOffset, f.u64(math.MaxUint64)))
	f.describe(1, 0, f.option(optionTimeResolution, []byte{9, 9}), f.option(optionTimeOffset, f.u32(7))) // of no known form
	f.packet(0, 5, 0, nil)
	f.packet(1, 1024+512, 0, nil)
	f.packet(2, 5, 0, nil)
	got, err := readBytes(f.bytes)
	if err != io.EOF {
		t.Fatal(err)
	}
	expectFrames(t, got, []Frame{{Time: 1600000000005e6}, {Time: 5e8}, {Time: 5000}})
}
