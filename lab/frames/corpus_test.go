package frames_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/xdpeel/xdpeel/capfile"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// TestWrapAsAWS wraps the inner frames of a capture of AWS Traffic Mirroring
// again, and expects the frames of the capture: all but their MAC addresses and
// source ports, which nobody but AWS can work out.
func TestWrapAsAWS(t *testing.T) {
	t.Parallel()
	root := os.Getenv("XDPEEL_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	path := filepath.Join(root, "mirrored", "OISF_suricata-verify__vxlan.pcap")
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("needs the corpus of captures: no %s (set XDPEEL_CORPUS)", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader, err := capfile.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		captured, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		checkWrapped(t, n, captured.Data)
	}
}

func checkWrapped(t *testing.T, n int, captured []byte) {
	t.Helper()
	source, destination := netip.AddrFrom4([4]byte(captured[26:])), netip.AddrFrom4([4]byte(captured[30:]))
	vni := uint32(captured[46])<<16 | uint32(captured[47])<<8 | uint32(captured[48])
	wrapped := frames.Wrap(captured[50:], vni, source, destination)
	if wrapped[34] != 0xff || wrapped[35]&0x80 == 0 {
		t.Errorf("frame %d: source port is %x, want ff80 to ffff", n, wrapped[34:36])
	}
	copy(wrapped[:12], captured[:12])
	copy(wrapped[34:36], captured[34:36])
	if !bytes.Equal(wrapped, captured) {
		t.Errorf("frame %d: wrapped again it is\n%x, want\n%x", n, wrapped, captured)
	}
}
