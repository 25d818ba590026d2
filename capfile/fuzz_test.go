package capfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// FuzzReader holds for any input: no panic, an end, memory in proportion to what
// was read, and an account of whole records that is true.
func FuzzReader(f *testing.F) {
	for _, order := range byteOrders {
		for _, magic := range []uint32{magicMicroseconds, magicNanoseconds} {
			classic := pcapFile(order, magic, 1)
			classic.record(1, 2, 60, numbered(20))
			classic.record(1, 2, 0, nil)
			f.Add(classic.bytes)
		}
		ng := pcapngFile(order)
		ng.describe(1, 40, ng.option(optionTimeResolution, []byte{0x89}), ng.option(optionTimeOffset, ng.u64(5)))
		ng.packet(0, 1, 60, numbered(20), ng.option(2, ng.u32(1)))
		ng.block(blockSimplePacket, ng.u32(60), numbered(44))
		ng.block(blockObsoletePacket, make([]byte, 20))
		ng.block(0x0bad, numbered(8))
		ng.section(0)
		f.Add(ng.bytes)
	}
	f.Add(binary.BigEndian.AppendUint32(nil, 0x1f8b0800))

	f.Fuzz(func(t *testing.T, file []byte) {
		reader, err := NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		frames, total := 0, 0
		for ; err == nil; frames++ {
			var frame Frame
			if frame, err = reader.Next(); err != nil {
				break
			}
			if total += len(frame.Data); total > len(file) || frame.WireLength < 0 {
				t.Fatalf("frame %d of wire length %d: %d bytes of frames in a file of %d", frames, frame.WireLength, total, len(file))
			}
		}
		if got := cap(reader.in.record); got > 2*len(file)+2*readSize {
			t.Fatalf("a file of %d bytes took a buffer of %d", len(file), got)
		}
		var torn *TornError
		if !errors.As(err, &torn) {
			return
		}
		if torn.Frames != frames || torn.Offset > int64(len(file)) {
			t.Fatalf("%v, but %d frames of %d bytes were read", torn, frames, len(file))
		}
		if again, err := readBytes(file[:torn.Offset]); err != io.EOF || len(again) != frames {
			t.Fatalf("%v, but the bytes before that hold %d frames, then %v", torn, len(again), err)
		}
	})
}
