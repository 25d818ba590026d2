package frames_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// TestAsTsharkReads has tshark dissect one frame of each kind with all checksums
// checked: its protocols must be as expected, and it must have nothing to say
// against any.
func TestAsTsharkReads(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "tshark")
	tcp := frames.TCPFrame(inside, outside, frames.Payload(101))
	behind := func(extensions ...frames.Extension) frames.Mirrored {
		m := frames.FromAWS(tcp, 7, inside6.Address, outside6.Address)
		m.UDP.NoChecksum = false
		m.IP.Extensions = extensions
		return m
	}
	geneve := frames.FromAWS(tcp, 7, inside.Address, target)
	geneve.UDP.Destination, geneve.UDP.NoChecksum = frames.PortGENEVE, false
	geneve.Tunnel = frames.GENEVE{VNI: 7, Protocol: frames.EtherTypeEthernet}.Header()
	tests := []struct {
		protocols string
		frame     []byte
	}{
		{"eth:ip:tcp:data", tcp},
		{"eth:ipv6:tcp:data", frames.TCPFrame(inside6, outside6, frames.Payload(100))},
		{"eth:ip:udp:data", frames.UDPFrame(inside, outside, frames.Payload(31))},
		{"eth:ipv6:udp:data", frames.UDPFrame(inside6, outside6, frames.Payload(31))},
		{"eth:ip:icmp:data", frames.EchoFrame(inside, outside, 1, frames.Payload(5))},
		{"eth:ipv6:icmpv6:data", frames.EchoFrame(inside6, outside6, 1, frames.Payload(5))},
		{"eth:arp", frames.ARPFrame(inside, outside)},
		{"eth:ieee8021ad:vlan:ip:tcp:data", frames.Tagged(tcp, frames.Tag{Protocol: frames.EtherTypeQinQ, Control: 1}, frames.Tag{Control: 2})},
		{"eth:mpls:ip:tcp:data", frames.Ethernet(outside.MAC, inside.MAC, frames.EtherTypeMPLS, frames.MPLS(tcp[14:], 100, 200))},
		{"eth:ip:udp:vxlan:eth:ip:tcp:data", frames.Wrap(tcp, 7, inside.Address, target)},
		{"eth:ip:udp:geneve:ip:udp:vxlan:eth:ip:tcp:data", frames.WrapGWLB(tcp, 7, inside.Address, target, balancer)},
		{"eth:ip:udp:geneve:eth:ip:tcp:data", geneve.Bytes()},
		{"eth:ipv6:ipv6.hopopts:ipv6.dstopts:udp:vxlan:eth:ip:tcp:data", behind(
			frames.PaddedExtension(frames.ProtocolHopByHop, 8), frames.PaddedExtension(frames.ProtocolDestination, 24)).Bytes()},
		{"eth:ipv6:ipv6.fraghdr:udp:vxlan:eth:ip:tcp:data", behind(frames.FragmentExtension(0, false, 9)).Bytes()},
	}
	var list [][]byte
	for _, test := range tests {
		list = append(list, test.frame)
	}
	for i, got := range dissect(t, list) {
		if want := (dissection{protocols: tests[i].protocols}); got != want {
			t.Errorf("tshark reads %+v, want %+v", got, want)
		}
	}
}

// dissection is what tshark makes of a frame.
type dissection struct {
	protocols  string
	complaints string
}

func dissect(t *testing.T, list [][]byte) []dissection {
	t.Helper()
	path := filepath.Join(t.TempDir(), "frames.pcap")
	file := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0}
	for _, frame := range list {
		file = append(file, make([]byte, 8)...) // captured at the epoch
		file = binary.LittleEndian.AppendUint32(file, uint32(len(frame)))
		file = binary.LittleEndian.AppendUint32(file, uint32(len(frame)))
		file = append(file, frame...)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	// Without the TCP analysis the frames are not repetitions of each other.
	arguments := []string{"-n", "-r", path, "-T", "fields", "-e", "frame.protocols", "-e", "_ws.expert.message",
		"-o", "tcp.analyze_sequence_numbers:FALSE"}
	for _, protocol := range []string{"ip", "udp", "tcp"} {
		arguments = append(arguments, "-o", protocol+".check_checksum:TRUE")
	}
	var stderr bytes.Buffer
	command := exec.Command("tshark", arguments...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, stderr.Bytes())
	}
	var dissections []dissection
	for line := range strings.Lines(string(out)) {
		protocols, complaints, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		dissections = append(dissections, dissection{strings.ReplaceAll(protocols, ":ethertype", ""), complaints})
	}
	if len(dissections) != len(list) {
		t.Fatalf("tshark reads %d frames of %d", len(dissections), len(list))
	}
	return dissections
}
