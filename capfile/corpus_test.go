package capfile

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// tsharkFrames reads a capture with tshark. WireLength is as tshark says.
func tsharkFrames(t *testing.T, path string) []Frame {
	t.Helper()
	command := exec.Command("tshark", "-r", path, "-n", "-T", "json", "-x", "-j", "frame")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, stderr.Bytes())
	}
	var packets []struct {
		Source struct {
			Layers struct {
				Raw   []any `json:"frame_raw"`
				Frame struct {
					Number   string `json:"frame.number"`
					Captured string `json:"frame.cap_len"`
					Wire     string `json:"frame.len"`
					Time     string `json:"frame.time_epoch"`
				}
			}
		} `json:"_source"`
	}
	if err := json.Unmarshal(out, &packets); err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var frames []Frame
	for i, packet := range packets {
		said := packet.Source.Layers.Frame
		data, err := hex.DecodeString(packet.Source.Layers.Raw[0].(string))
		if err != nil || said.Number != strconv.Itoa(i+1) || said.Captured != strconv.Itoa(len(data)) {
			t.Fatalf("tshark: frame %d is %d bytes, %v, and yet %+v", i+1, len(data), err, said)
		}
		wire, err := strconv.Atoi(said.Wire)
		if err != nil {
			t.Fatalf("tshark: frame %d: %v", i+1, err)
		}
		frames = append(frames, Frame{nanoseconds(t, said.Time), data, wire})
	}
	return frames
}

// nanoseconds reads tshark's frame.time_epoch, "1334158432.917486000", which it
// leaves out where the file says no time.
func nanoseconds(t *testing.T, seconds string) int64 {
	t.Helper()
	if seconds == "" {
		return 0
	}
	exact, ok := new(big.Rat).SetString(seconds)
	if !ok {
		t.Fatalf("tshark: time is %q", seconds)
	}
	exact.Mul(exact, big.NewRat(1e9, 1))
	if !exact.IsInt() {
		t.Fatalf("tshark: time %q is finer than nanoseconds", seconds)
	}
	return exact.Num().Int64()
}

func needs(t *testing.T, program string) {
	t.Helper()
	labtest.Need(t, program)
}

func expectAsTshark(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := readAll(file)
	if err != io.EOF {
		t.Fatal(err)
	}
	expectFrames(t, got, tsharkFrames(t, path))
}

// corpus lists the captures of the corpus, which is not part of this project.
func corpus(t *testing.T) []string {
	t.Helper()
	root := os.Getenv("XDPEEL_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "corpus")
	}
	var captures []string
	for _, half := range []string{"mirrored", "inner"} {
		found, err := filepath.Glob(filepath.Join(root, half, "*.pcap*"))
		if err != nil {
			t.Fatal(err)
		}
		captures = append(captures, found...)
	}
	if len(captures) == 0 {
		t.Skipf("needs the corpus of captures: none in %q (set XDPEEL_CORPUS)", root)
	}
	return captures
}

// TestCorpusAsTshark reads every capture of the corpus as tshark does.
func TestCorpusAsTshark(t *testing.T) {
	t.Parallel()
	needs(t, "tshark")
	for _, path := range corpus(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			expectAsTshark(t, path)
		})
	}
}

// TestCorpusRewritten holds that a capture has the same frames in whatever
// format Wireshark writes it.
func TestCorpusRewritten(t *testing.T) {
	t.Parallel()
	needs(t, "editcap")
	for _, path := range corpus(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			original, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := readBytes(original)
			if err != io.EOF {
				t.Fatal(err)
			}
			for _, format := range []string{"pcapng", "nsecpcap", "pcap"} {
				rewritten := filepath.Join(t.TempDir(), format)
				if out, err := exec.Command("editcap", "-F", format, path, rewritten).CombinedOutput(); err != nil {
					t.Fatalf("editcap: %v: %s", err, out)
				}
				file, err := os.ReadFile(rewritten)
				if err != nil {
					t.Fatal(err)
				}
				got, err := readBytes(file)
				if err != io.EOF {
					t.Fatalf("%s: %v", format, err)
				}
				expectFrames(t, got, want)
			}
		})
	}
}

// TestMadeAsTshark holds the test's own idea of the formats to tshark's.
func TestMadeAsTshark(t *testing.T) {
	t.Parallel()
	needs(t, "tshark")
	files := map[string]*file{}
	for name, order := range byteOrders {
		for _, magic := range []uint32{magicMicroseconds, magicNanoseconds} {
			f := pcapFile(order, magic, 1)
			f.record(1700000000, 123456, 60, numbered(60))
			f.record(1700000001, 999999, 1500, numbered(33))
			files[fmt.Sprintf("%s %#x.pcap", name, magic)] = f
		}
		f := pcapngFile(order)
		for i, resolution := range []byte{0, 3, 6, 9, 12, 0x80 | 20, 0x80 | 30} {
			f.describe(1, 0, f.option(optionTimeResolution, []byte{resolution}), f.option(optionTimeOffset, f.u64(uint64(i)*1000)))
			f.packet(uint32(i), 1700000000, 60+uint32(i), numbered(60-i))
		}
		f.block(blockObsoletePacket, f.u16(2), f.u16(9), f.u32(0), f.u32(5), f.u32(6), f.u32(7), padded(numbered(6)))
		f.section(1<<64 - 1)
		f.describe(1, 0)
		f.packet(0, 1700000000123456, 100, numbered(100))
		f.describe(1, 7)
		f.block(blockSimplePacket, f.u32(59), numbered(60))
		files[name+".pcapng"] = f
	}
	for name, f := range files {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "made")
			if err := os.WriteFile(path, f.bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			expectAsTshark(t, path)
		})
	}
}
