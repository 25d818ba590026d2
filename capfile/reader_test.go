package capfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// prefixes holds that every proper prefix yields the whole frames in it, then
// io.EOF at the end of a record and a TornError within one.
func prefixes(t *testing.T, f *file) {
	t.Helper()
	whole, err := readBytes(f.bytes)
	if err != io.EOF {
		t.Fatalf("whole file: %v", err)
	}
	offset, frames := 0, 0
	for n := range len(f.bytes) {
		if slices.Contains(f.ends, n) {
			offset = n
			got, err := readBytes(f.bytes[:n])
			if err != io.EOF {
				t.Fatalf("prefix of %d bytes: %v, want io.EOF", n, err)
			}
			frames = len(got)
			continue
		}
		got, err := readBytes(f.bytes[:n])
		if n < 4 {
			if !errors.Is(err, ErrNotCapture) {
				t.Errorf("prefix of %d bytes: %v, want ErrNotCapture", n, err)
			}
			continue
		}
		expectTorn(t, err, int64(offset), frames)
		expectFrames(t, got, whole[:frames])
	}
	if frames != len(whole)-1 {
		t.Errorf("the longest clean prefix had %d frames, want %d", frames, len(whole)-1)
	}
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	for name, order := range byteOrders {
		t.Run("pcap "+name, func(t *testing.T) {
			f := pcapFile(order, magicMicroseconds, 1)
			f.record(1, 2, 20, numbered(20))
			f.record(2, 3, 0, nil)
			f.record(3, 4, 99, numbered(33))
			prefixes(t, f)
		})
		t.Run("pcapng "+name, func(t *testing.T) {
			f := pcapngFile(order)
			f.describe(1, 0, f.option(optionTimeResolution, []byte{9}), f.option(optionEnd, nil))
			f.packet(0, 1, 20, numbered(20))
			f.block(5, f.u32(0), f.u64(0)) // interface statistics
			f.block(blockSimplePacket, f.u32(5), numbered(5))
			f.section(1<<64 - 1)
			f.describe(1, 0)
			f.block(0x0bad) // unknown and empty: the shortest block
			f.packet(0, 1, 20, numbered(17), f.option(2, f.u32(1)))
			prefixes(t, f)
		})
	}
}

func TestNotCapture(t *testing.T) {
	t.Parallel()
	old := pcapFile(binary.LittleEndian, magicMicroseconds, 1).bytes
	copy(old[6:], []byte{3, 0})
	for name, row := range map[string]struct {
		file []byte
		want string
	}{
		"empty":                 {nil, "it is empty"},
		"one byte":              {[]byte{0xd4}, "neither pcap nor pcapng (starts with d4)"},
		"text":                  {[]byte("#!/bin/sh\n"), "neither pcap nor pcapng (starts with 23 21 2f 62)"},
		"gzip":                  {[]byte{0x1f, 0x8b, 8, 0, 0}, "is gzip-compressed: decompress it first (starts with 1f 8b 08 00)"},
		"gzip, cut short":       {[]byte{0x1f, 0x8b}, "is gzip-compressed"},
		"zstd":                  {[]byte{0x28, 0xb5, 0x2f, 0xfd, 0}, "is zstd-compressed: decompress it first"},
		"lz4":                   {[]byte{0x04, 0x22, 0x4d, 0x18}, "is lz4-compressed"},
		"xz":                    {[]byte("\xfd7zXZ\x00"), "is xz-compressed"},
		"bzip2":                 {[]byte("BZh91AY"), "is bzip2-compressed"},
		"modified pcap, little": {pcapFile(binary.LittleEndian, 0xa1b2cd34, 1).bytes, "Kuznetzov's modified pcap"},
		"modified pcap, big":    {pcapFile(binary.BigEndian, 0xa1b2cd34, 1).bytes, "Kuznetzov's modified pcap"},
		"pcap 2.3":              {old, "version 2.3"},
		"no byte-order magic":   {[]byte("\n\r\r\n, and then text"), "neither pcap nor pcapng (starts with 0a 0d 0d 0a"},
	} {
		_, err := readBytes(row.file)
		if !errors.Is(err, ErrNotCapture) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want ErrNotCapture with %q", name, err, row.want)
		}
	}
}

func TestLinkType(t *testing.T) {
	t.Parallel()
	for link, want := range map[uint32]string{
		0: "BSD loopback", 101: "raw IP", 113: "Linux cooked", 276: "Linux cooked v2", 147: "of another kind",
	} {
		ng := pcapngFile(binary.LittleEndian)
		ng.describe(uint16(link), 0)
		ng.packet(0, 0, 4, numbered(4))
		for name, f := range map[string]*file{"pcap": pcapFile(binary.BigEndian, magicNanoseconds, link), "pcapng": ng} {
			_, err := readBytes(f.bytes)
			var linkErr *LinkTypeError
			if !errors.As(err, &linkErr) || linkErr.LinkType != int(link) || !strings.Contains(err.Error(), "("+want+")") {
				t.Errorf("%s of link type %d: got %v, want a LinkTypeError that says %q", name, link, err, want)
			}
		}
	}
}

// TestReaderErrors holds that what the underlying reader says is not taken for
// the end of the file, even where it is io.ErrUnexpectedEOF.
func TestReaderErrors(t *testing.T) {
	t.Parallel()
	classic := pcapFile(binary.LittleEndian, magicMicroseconds, 1)
	classic.record(1, 2, 20, numbered(20))
	ng := pcapngFile(binary.LittleEndian)
	ng.describe(1, 0)
	ng.packet(0, 0, 20, numbered(20))
	for _, cause := range []error{errors.New("cable pulled"), io.ErrUnexpectedEOF, io.ErrClosedPipe} {
		for _, f := range []*file{classic, ng} {
			for n := range len(f.bytes) + 1 {
				_, err := readAll(io.MultiReader(bytes.NewReader(f.bytes[:n]), iotest.ErrReader(cause)))
				var torn *TornError
				if !errors.Is(err, cause) || errors.As(err, &torn) {
					t.Fatalf("after %d bytes: got %v, want %v", n, err, cause)
				}
			}
		}
	}
}

// TestPipe holds that no frame waits for bytes that come after it.
func TestPipe(t *testing.T) {
	t.Parallel()
	classic := pcapFile(binary.LittleEndian, magicMicroseconds, 1)
	ng := pcapngFile(binary.LittleEndian)
	ng.describe(1, 0)
	for name, f := range map[string]*file{"pcap": classic, "pcapng": ng} {
		in, out := io.Pipe()
		go out.Write(f.bytes)
		reader, err := NewReader(iotest.OneByteReader(in))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range 3 {
			sent := len(f.bytes)
			if f == classic {
				f.record(0, 0, 60, numbered(60))
			} else {
				f.packet(0, 0, 60, numbered(60))
			}
			go out.Write(f.bytes[sent:])
			frame, err := reader.Next()
			if err != nil || !bytes.Equal(frame.Data, numbered(60)) {
				t.Fatalf("%s: frame %d is %x, error %v", name, n, frame.Data, err)
			}
		}
		out.Close()
		if _, err := reader.Next(); err != io.EOF {
			t.Errorf("%s: %v, want io.EOF", name, err)
		}
	}
}

func TestErrorsAreFinal(t *testing.T) {
	t.Parallel()
	f := pcapFile(binary.LittleEndian, magicMicroseconds, 1)
	f.add(f.u32(0), f.u32(0), f.u32(maxCaptured+1), f.u32(60))
	f.record(0, 0, 60, numbered(60))
	reader, err := NewReader(bytes.NewReader(f.bytes))
	if err != nil {
		t.Fatal(err)
	}
	_, first := reader.Next()
	expectTorn(t, first, pcapHeaderSize, 0)
	if want := "after 0 frames, at byte 24: a captured length of 16777217 bytes"; !strings.Contains(first.Error(), want) {
		t.Errorf("the error is %q, want it to say %q", first, want)
	}
	if _, second := reader.Next(); second != first {
		t.Errorf("then %v, want the same error again", second)
	}
}

// TestMemory holds that a length field that promises the most costs no memory
// until its bytes arrive.
func TestMemory(t *testing.T) {
	t.Parallel()
	f := pcapFile(binary.LittleEndian, magicMicroseconds, 1)
	f.add(f.u32(0), f.u32(0), f.u32(maxCaptured), f.u32(maxCaptured), numbered(1000))
	reader, err := NewReader(bytes.NewReader(f.bytes))
	if err != nil {
		t.Fatal(err)
	}
	_, err = reader.Next()
	expectTorn(t, err, pcapHeaderSize, 0)
	if got := cap(reader.in.record); got > 2*readSize {
		t.Errorf("the buffer grew to %d bytes for 1000", got)
	}
}

func TestLongestFrame(t *testing.T) {
	t.Parallel()
	long := numbered(maxCaptured)
	classic := pcapFile(binary.LittleEndian, magicMicroseconds, 1)
	classic.record(0, 0, maxCaptured, long)
	ng := pcapngFile(binary.LittleEndian)
	ng.describe(1, 0)
	ng.packet(0, 0, maxCaptured, long)
	for _, f := range []*file{classic, ng} {
		got, err := readBytes(f.bytes)
		if err != io.EOF {
			t.Fatal(err)
		}
		expectFrames(t, got, []Frame{{Data: long, WireLength: maxCaptured}})
	}
}
