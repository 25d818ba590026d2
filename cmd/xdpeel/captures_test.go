package main

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/corpus"
)

// pcap returns a capture file of frames, one a second.
func pcap(list ...[]byte) []byte {
	file := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	file = append(file, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	for i, frame := range list {
		for _, field := range []int{i, 0, len(frame), len(frame)} {
			file = binary.LittleEndian.AppendUint32(file, uint32(field))
		}
		file = append(file, frame...)
	}
	return file
}

// readFrames returns the frames of a capture file, which must be whole.
func readFrames(t *testing.T, path string) (list [][]byte) {
	t.Helper()
	frames, err := corpus.Frames(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range frames {
		list = append(list, frame.Data)
	}
	return list
}

// conversation is a capture of what AWS would send of two instances.
func conversation() (outer, inner [][]byte) {
	for _, event := range lab.Conversation() {
		outer = append(outer, event.Frame)
		inner = append(inner, event.Packet.Data)
	}
	return outer, inner
}

// readWhole returns the frames of a file that may yet grow.
func readWhole(t *testing.T, path string) (list [][]byte) {
	t.Helper()
	frames, err := corpus.Frames(path)
	if err != nil && !errors.As(err, new(*capfile.TornError)) {
		t.Fatal(err)
	}
	for _, frame := range frames {
		list = append(list, frame.Data)
	}
	return list
}

// numbersIn are the last eight bytes of each packet of a file, which must go up.
func numbersIn(t *testing.T, path string) (numbers []uint64) {
	t.Helper()
	for _, frame := range readFrames(t, path) {
		n := binary.BigEndian.Uint64(frame[len(frame)-8:])
		if len(numbers) > 0 && n <= numbers[len(numbers)-1] {
			t.Fatalf("%s: packet %d after %d", path, n, numbers[len(numbers)-1])
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// unpacked is a file that is not compressed, with what is in another.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	if filepath.Ext(path) != ".zst" {
		return path
	}
	packed, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	reader, err := zstd.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	into := filepath.Join(t.TempDir(), "unpacked.pcapng")
	if err == nil {
		err = os.WriteFile(into, text, 0o644)
	}
	if err != nil {
		t.Fatalf("unpack %s: %v", path, err)
	}
	return into
}
