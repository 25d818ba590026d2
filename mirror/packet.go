// Package mirror says what a mirrored packet is and judges one in plain Go,
// without a kernel: the reference against which the kernel program is tested,
// and the whole of `xdpeel decap`.
package mirror

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Session names who mirrored a packet. A VNI alone does not: AWS lets two
// accounts use the same one.
type Session struct {
	VNI    uint32     // 24 bits
	Source netip.Addr // outer source: the primary address of the mirrored interface
}

// String returns "vni 12345 from 10.0.12.59", the name of the session's
// pcapng interface.
func (s Session) String() string {
	return fmt.Sprintf("vni %d from %s", s.VNI, s.Source)
}

// compare orders sessions by VNI, then by source.
func (s Session) compare(with Session) int {
	return cmp.Or(cmp.Compare(s.VNI, with.VNI), s.Source.Compare(with.Source))
}

// Packet is an inner frame and what is known about it.
type Packet struct {
	Time      int64 // nanoseconds since the Unix epoch
	Session   Session
	Endpoint  uint64 // Gateway Load Balancer endpoint id, 0 without
	Direction abi.Direction
	Tunnel    abi.Tunnel
	Truncated bool      // the mirror session cut it; Data may be shorter still, by the snap length
	Rule      uint16    // that took it: from 1 through the filter's ingress, then its egress rules; 0: no filter
	Outputs   OutputSet // those that its session names
	Length    int       // bytes of the inner frame before anything cut it
	Data      []byte    // the inner frame from its Ethernet header on
}
