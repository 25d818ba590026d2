package cases

import (
	"fmt"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// addVXLAN is rules 8 and 10.
func addVXLAN(t *table) {
	for _, flags := range []byte{0x00, 0xf7} {
		t.left(fmt.Sprintf("vxlan flags %#02x", flags), abi.OutcomeMalformedVXLAN, t.good(), frames.SetTunnel(0, flags))
	}
	t.delivered("vxlan all flags", t.good(), frames.SetTunnel(0, 0xff))
	t.delivered("vxlan group policy", t.good(), frames.SetTunnel(0, 0x88, 0x48, 0x12, 0x34))
	t.delivered("vxlan gpe, next protocol ethernet", t.good(), frames.SetTunnel(0, 0x0c, 0, 0, 3))
	t.delivered("vxlan gpe, next protocol ipv4", t.good(), frames.SetTunnel(0, 0x0c, 0, 0, 1))
	t.delivered("vxlan reserved bytes", t.good(), frames.SetTunnel(1, 0xff, 0xff, 0xff))
	t.delivered("vxlan last byte", t.good(), frames.SetTunnel(7, 0xff))

	for _, vni := range []uint32{0, 0xffffff, 0x800000} {
		t.delivered(fmt.Sprintf("vxlan vni %#06x", vni), frames.FromAWS(egress, vni, eni.Address, target))
	}
	for _, length := range []int{0, 1, 13} {
		t.left(fmt.Sprintf("vxlan inner frame of %d bytes", length), abi.OutcomeMalformedInner, t.carry(egress[:length]))
	}
	t.delivered("vxlan inner frame of 14 bytes", t.carry(egress[:14])).unknown().cutFrom(14)

	t.delivered("vxlan in vxlan", t.carry(frames.Wrap(egress, t.vni(), eni.Address, target)))
	jumbo := frames.TCPFrame(eni, other, frames.Payload(9001-54))
	t.delivered("vxlan inner frame of 9001 bytes", t.carry(jumbo))
	largest := frames.TCPFrame(eni, other, frames.Payload(65535-20-8-8-54))
	t.delivered("vxlan inner frame of 65499 bytes", t.carry(largest))
}
