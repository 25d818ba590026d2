package host

import (
	"fmt"

	"github.com/xdpeel/xdpeel/loader"
)

func examineOffloads(v *visit) ([]Finding, error) { return v.nic.judgeOffloads(v.Mode), nil }

// judgeOffloads looks for what merges packets before the program sees them, or keeps
// a driver from taking it.
func (n *nic) judgeOffloads(mode loader.Mode) (findings []Finding) {
	active := func(feature string) bool { return n.features[feature].Active }
	// In generic mode the kernel switches these off by itself, and so do some drivers.
	refused := func(option, feature string) {
		f := n.changeFeature(Finding{
			Level: Warning, Found: fmt.Sprintf("the card merges packets (%s)", option),
			Why: "most drivers refuse native XDP meanwhile, and the program runs in generic mode",
		}, option, feature, false)
		if mode == loader.ModeNative {
			f.Level = Failure
		}
		findings = append(findings, f)
	}
	if active("rx-lro") && !n.generic && n.driver != "vmxnet3" {
		refused("lro", "rx-lro")
	}
	if active("rx-gro-hw") && !n.generic && n.driver != "virtio_net" {
		refused("rx-gro-hw", "rx-gro-hw")
	}
	if n.driver == "virtio_net" && active("rx-gro-hw") && !n.features["rx-gro-hw"].Available && mode != loader.ModeGeneric {
		f := Finding{
			Level: Warning, Found: "the machine's host merges packets, and cannot be told otherwise (rx-gro-hw is fixed)",
			Why: "virtio_net refuses native XDP: the program runs in generic mode", Remedy: "guest offloads off on the host (QEMU: guest_tso4=off,guest_tso6=off,guest_csum=off)",
		}
		if mode == loader.ModeNative {
			f.Level = Failure
		}
		findings = append(findings, f)
	}
	if n.generic && active("rx-udp-gro-forwarding") {
		findings = append(findings, n.changeFeature(Finding{
			Level: Warning, Found: "the kernel merges UDP packets that it would forward (rx-udp-gro-forwarding)",
			Why: "in generic mode the program sees them merged: several mirrored packets come as one",
		}, "rx-udp-gro-forwarding", "rx-udp-gro-forwarding", false))
	}
	if n.kind == "device" && active("rx-vlan-hw-parse") {
		findings = append(findings, Finding{
			Level: Note, Found: "the card takes VLAN tags out of frames (rxvlan)",
			Why: "the outer tag is not seen, and mirrored packets of all VLANs are taken alike; tags of inner frames are not touched",
		})
	}
	if findings == nil {
		return found("nothing merges packets before the program")
	}
	return findings
}
