package bpf

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

func TestSessionKeyAddress(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"10.1.2.3", "2001:db8::a:b"} {
		address := netip.MustParseAddr(text)
		var key XdpeelSessionKey
		key.SetAddress(address)
		if got := key.Address(); got != address {
			t.Errorf("%s came back as %s", address, got)
		}
		last := address.As16()
		if want := binary.NativeEndian.Uint32(last[12:]); key.Source[3] != want {
			t.Errorf("the last word of %s is %#x, want %#x", address, key.Source[3], want)
		}
	}
}
