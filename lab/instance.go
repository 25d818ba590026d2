package lab

import (
	"net/netip"

	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/mirror"
)

// Instance is a machine whose network interface is mirrored.
type Instance struct {
	Name         string
	Session      mirror.Session
	PacketLength int // bytes of an inner frame that the session carries; 0: all

	eni, router frames.MAC // of the interface, and of the VPC's router in its subnet
}

// Target is where the mirrored packets of Conversation go.
var Target = netip.MustParseAddr("10.0.99.10")

// Two instances in two subnets of one VPC.
var (
	web1 = Instance{
		Name:    "web-1",
		Session: mirror.Session{VNI: 12345, Source: netip.MustParseAddr("10.0.12.59")},
		eni:     frames.MAC{0x0a, 0x5e, 0x21, 0x7c, 0x90, 0x3b},
		router:  frames.MAC{0x0a, 0xc4, 0x6f, 0x02, 0x8d, 0x11},
	}
	db1 = Instance{
		Name:         "db-1",
		Session:      mirror.Session{VNI: 7340033, Source: netip.MustParseAddr("10.0.7.20")},
		PacketLength: 96,
		eni:          frames.MAC{0x0a, 0x13, 0xd8, 0x45, 0x6e, 0xf7},
		router:       frames.MAC{0x0a, 0xc4, 0x6f, 0x02, 0x8d, 0x27},
	}
)

// Instances returns those that are mirrored in Conversation.
func Instances() []Instance { return []Instance{web1, db1} }
