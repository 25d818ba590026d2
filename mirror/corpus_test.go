package mirror_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/mirror"
)

// expectation is what other dissectors make of a capture's frames.
type expectation struct {
	Ports  struct{ VXLAN, GENEVE []uint16 }
	Frames []expectedFrame
}

type expectedFrame struct {
	N               int
	Action          string // decap, not-encap, malformed
	Reason          string
	VNI             uint32
	InnerLength     int    `json:"inner_len"`
	InnerHash       string `json:"inner_sha256"`
	AvailableLength int    `json:"inner_available_len"` // of a frame that a snap length has cut
	AvailableHash   string `json:"inner_available_sha256"`
}

// TestCorpus judges captures of real tunnels, and compares what comes out with
// what two other dissectors say does.
func TestCorpus(t *testing.T) {
	t.Parallel()
	root := os.Getenv("XDPEEL_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "corpus")
	}
	captures, err := filepath.Glob(filepath.Join(root, "mirrored", "*"))
	if err != nil || len(captures) == 0 {
		t.Skipf("needs the corpus of captures: none in %q (set XDPEEL_CORPUS)", root)
	}
	for _, path := range captures {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			judgeCapture(t, path, filepath.Join(root, "expected", filepath.Base(path)+".json"))
		})
	}
}

func judgeCapture(t *testing.T, path, expected string) {
	data, err := os.ReadFile(expected)
	if err != nil {
		t.Fatal(err)
	}
	var want expectation
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader, err := capfile.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	d := newDecapsulator(t, mirror.Options{VXLANPorts: want.Ports.VXLAN, GENEVEPorts: want.Ports.GENEVE})
	for _, want := range want.Frames {
		frame, err := reader.Next()
		if err != nil {
			t.Fatalf("frame %d: %v", want.N, err)
		}
		checkExpected(t, want, d.Judge(frame.Data, frame.WireLength))
	}
	if _, err := reader.Next(); err != io.EOF {
		t.Errorf("after the last expected frame: %v, want EOF", err)
	}
}

// checkExpected compares one judgement. The other dissectors strip one layer,
// keep bare payloads bare, and call frames cut by a snap length malformed; xdpeel
// differs in all three.
func checkExpected(t *testing.T, want expectedFrame, got mirror.Judgement) {
	t.Helper()
	outcome := got.Outcome.String()
	if got.Outcome != abi.OutcomeDelivered {
		switch want.Action {
		case "not-encap":
			if outcome != "host" && outcome != "fragment" {
				t.Errorf("frame %d: %s, want it left to the host: %s", want.N, outcome, want.Reason)
			}
		case "malformed":
			if !strings.HasPrefix(outcome, "malformed_") {
				t.Errorf("frame %d: %s, want it malformed: %s", want.N, outcome, want.Reason)
			}
		default:
			t.Errorf("frame %d: %s, want it delivered", want.N, outcome)
		}
		return
	}
	length, hash := want.InnerLength, want.InnerHash
	if want.Action == "malformed" {
		length, hash = want.AvailableLength, want.AvailableHash
	}
	inner := got.Packet.Data
	if got.EtherType != 0 {
		inner = inner[14:]
	}
	sum := sha256.Sum256(inner)
	if len(inner) != length || hex.EncodeToString(sum[:]) != hash || got.Packet.Session.VNI != want.VNI {
		t.Errorf("frame %d: %d bytes of vni %d with hash %x, want %d bytes of vni %d with hash %s",
			want.N, len(inner), got.Packet.Session.VNI, sum, length, want.VNI, hash)
	}
}
