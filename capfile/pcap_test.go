package capfile

import (
	"encoding/binary"
	"io"
	"math"
	"testing"
)

func TestPcap(t *testing.T) {
	t.Parallel()
	units := map[uint32]int64{magicMicroseconds: 1000, magicNanoseconds: 1}
	for name, order := range byteOrders {
		for magic, unit := range units {
			f := pcapFile(order, magic, 1)
			f.record(1700000000, 999999, 60, numbered(60))
			f.record(math.MaxUint32, math.MaxUint32, 1500, numbered(96)) // cut by a snap length
			f.record(0, 0, 0, nil)
			f.record(0, 0, 13, numbered(14))             // shorter on the wire than captured
			f.record(0, 0, math.MaxUint32, numbered(14)) // nonsense
			got, err := readBytes(f.bytes)
			if err != io.EOF {
				t.Fatalf("%s %#x: %v", name, magic, err)
			}
			expectFrames(t, got, []Frame{
				{1700000000e9 + 999999*unit, numbered(60), 60},
				{math.MaxUint32*1e9 + math.MaxUint32*unit, numbered(96), 1500},
				{0, nil, 0},
				{0, numbered(14), 13},
				{0, numbered(14), math.MaxInt32},
			})
		}
	}
}

func TestPcapFrameCheckSequenceBits(t *testing.T) {
	t.Parallel()
	for _, link := range []uint32{0x24000001, 0x30000001, 0x40000001} {
		f := pcapFile(binary.LittleEndian, magicMicroseconds, link)
		f.record(0, 0, 60, numbered(60))
		got, err := readBytes(f.bytes)
		if err != io.EOF || len(got) != 1 {
			t.Errorf("link type field %#x: %d frames, %v", link, len(got), err)
		}
	}
}

func TestPcapAbsurdLength(t *testing.T) {
	t.Parallel()
	for _, length := range []uint32{maxCaptured + 1, math.MaxInt32, math.MaxUint32} {
		f := pcapFile(binary.BigEndian, magicMicroseconds, 1)
		f.record(0, 0, 60, numbered(60))
		f.add(f.u32(0), f.u32(0), f.u32(length), f.u32(60), numbered(60))
		got, err := readBytes(f.bytes)
		expectTorn(t, err, pcapHeaderSize+recordHeaderSize+60, 1)
		expectFrames(t, got, []Frame{{0, numbered(60), 60}})
	}
}
