package export

import (
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// wireshark returns what a program of Wireshark's prints. It must not complain.
func wireshark(t *testing.T, name string, args ...string) string {
	t.Helper()
	labtest.Need(t, name)
	var complaints strings.Builder
	command := exec.Command(name, args...)
	command.Stderr = &complaints
	output, err := command.Output()
	said := strings.ReplaceAll(complaints.String(), "Running as user \"root\" and group \"root\". This could be dangerous.\n", "")
	if err != nil || said != "" {
		t.Fatalf("%s %q: %v: %s", name, args, err, said)
	}
	return string(output)
}

// captured is a file with packets of each kind.
func captured(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "out.pcapng")
	f, err := NewFile(FileOptions{
		Path: path, Application: "xdpeel 1.2.3", SnapLength: 100, Name: nameOf, Statistics: vniStatistics,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := mirror.NewBatch(10, 1000)
	add := func(p mirror.Packet, captured int) {
		p.Data = b.Room(captured)
		b.Add(p)
	}
	add(mirror.Packet{Time: at, Session: web, Direction: abi.DirectionIngress, Length: 61}, 61)
	add(mirror.Packet{Time: at + 1, Session: db, Direction: abi.DirectionEgress, Length: 9000, Truncated: true}, 100)
	add(mirror.Packet{Time: at + 2, Session: web, Length: 14, Endpoint: 0xfedcba9876543210}, 14)
	if err := errors.Join(f.Write(b), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTsharkReadsPackets(t *testing.T) {
	t.Parallel()
	fields := []string{
		"frame.interface_id", "frame.interface_name", "frame.interface_description", "frame.packet_flags_direction",
		"frame.packet_flags_reserved", "frame.time_epoch", "frame.len", "frame.cap_len", "frame.comment",
	}
	args := []string{"-r", captured(t), "-T", "fields", "-E", "separator=|"}
	for _, field := range fields {
		args = append(args, "-e", field)
	}
	// tshark 4.0 knows "checksum not ready" as the lowest of the reserved bits.
	want := strings.Join([]string{
		"0|vni 12345 from 10.0.12.59|web-1|0x00000001|0|1772600767.123456789|61|61|",
		"1|vni 7 from 2001:db8::7||0x00000002|1|1772600767.123456790|9000|100|",
		"0|vni 12345 from 10.0.12.59|web-1|0x00000000|0|1772600767.123456791|14|14|gwlb endpoint 0xfedcba9876543210",
		"",
	}, "\n")
	if diff := cmp.Diff(want, wireshark(t, "tshark", args...)); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
}

// tshark dissects the file itself, block by block.
func TestTsharkReadsBlocks(t *testing.T) {
	t.Parallel()
	text := wireshark(t, "tshark", "-X", "read_format:MIME Files Format", "-V", "-r", captured(t))
	if strings.Contains(text, "Malformed") || strings.Contains(text, "Expert Info") {
		t.Errorf("tshark finds fault:\n%s", text)
	}
	counts := regexp.MustCompile(`Number of (?:Received|Dropped) Packets: \d+`).FindAllString(text, -1)
	want := []string{
		"Number of Received Packets: 13345", "Number of Dropped Packets: 12345",
		"Number of Received Packets: 1007", "Number of Dropped Packets: 7",
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
}

func TestCapinfos(t *testing.T) {
	t.Parallel()
	text := wireshark(t, "capinfos", "-M", captured(t))
	for _, want := range []string{
		"File type:           pcapng", "Number of packets:   3", "Capture application: xdpeel 1.2.3", "Capture oper-sys:    Linux",
		"Number of interfaces in file: 2", "Name = vni 12345 from 10.0.12.59", "Description = web-1", "Name = vni 7 from 2001:db8::7",
		"Encapsulation = Ethernet (1 - ether)", "Capture length = 100", "Time precision = nanoseconds (9)",
		"Number of stat entries = 1", "Number of packets = 2", "Number of packets = 1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("capinfos does not say %q:\n%s", want, text)
		}
	}
}

// A capture of nothing is a file all the same.
func TestEmptyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out.pcapng")
	f, err := NewFile(FileOptions{Path: path, Statistics: noStatistics})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if text := wireshark(t, "tshark", "-r", path); text != "" {
		t.Errorf("tshark says %q", text)
	}
	if text := wireshark(t, "capinfos", "-cM", path); !strings.Contains(text, "Number of packets:   0") {
		t.Errorf("capinfos says %q", text)
	}
}
