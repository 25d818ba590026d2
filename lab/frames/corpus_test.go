package frames_test

import (
	"bytes"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/xdpeel/xdpeel/lab/corpus"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// TestWrapAsAWS wraps the inner frames of a capture of AWS Traffic Mirroring
// again, and expects the frames of the capture: all but their MAC addresses and
// source ports, which nobody but AWS can work out.
func TestWrapAsAWS(t *testing.T) {
	t.Parallel()
	directory, err := corpus.Directory()
	if err != nil {
		t.Skip(err)
	}
	captured, err := corpus.Frames(filepath.Join(directory, "mirrored", "OISF_suricata-verify__vxlan.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	for i, frame := range captured {
		checkWrapped(t, i+1, frame.Data)
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
