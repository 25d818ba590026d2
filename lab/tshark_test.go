package lab

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// captured is a packet of a capture file.
type captured struct {
	at     time.Duration
	length int // of the packet on the wire, in bytes
	data   []byte
}

// dissect writes packets to a capture file and returns what tshark prints of the
// given fields: a row a packet.
func dissect(t *testing.T, packets []captured, fields ...string) [][]string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("needs tshark")
	}
	file := []byte{0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0} // pcap, nanoseconds, Ethernet
	for _, p := range packets {
		file = binary.LittleEndian.AppendUint32(file, uint32(p.at/time.Second))
		file = binary.LittleEndian.AppendUint32(file, uint32(p.at%time.Second))
		file = binary.LittleEndian.AppendUint32(file, uint32(len(p.data)))
		file = binary.LittleEndian.AppendUint32(file, uint32(p.length))
		file = append(file, p.data...)
	}
	directory := t.TempDir()
	path := filepath.Join(directory, "packets.pcap")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	arguments := []string{"-r", path, "-T", "fields", "-E", "separator=|", "-E", "occurrence=f"}
	for _, option := range []string{"ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"} {
		arguments = append(arguments, "-o", option+":TRUE")
	}
	for _, field := range fields {
		arguments = append(arguments, "-e", field)
	}
	command := exec.Command(program, arguments...)
	command.Env = append(os.Environ(), "HOME="+directory, "WIRESHARK_CONFIG_DIR="+directory) // nobody's preferences
	output, err := command.Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var rows [][]string
	for line := range strings.Lines(string(output)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "|"))
	}
	if len(rows) != len(packets) {
		t.Fatalf("tshark printed %d rows of %d packets", len(rows), len(packets))
	}
	return rows
}

// innerPackets returns what was mirrored of one instance.
func innerPackets(instance Instance) []captured {
	var packets []captured
	for _, event := range Conversation() {
		if p := event.Packet; p.Session == instance.Session {
			packets = append(packets, captured{event.At, p.Length, p.Data})
		}
	}
	return packets
}

func TestTsharkFindsNoFault(t *testing.T) {
	t.Parallel()
	const good = "1"
	for _, instance := range Instances() {
		packets := innerPackets(instance)
		rows := dissect(t, packets, "_ws.malformed", "tcp.analysis.flags", "ip.checksum.status",
			"tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status", "_ws.expert.message")
		for i, row := range rows {
			whole := len(packets[i].data) == packets[i].length
			statuses := slices.DeleteFunc(row[3:6], func(status string) bool { return status == "" })
			if row[0] != "" || row[1] != "" || row[2] != good || whole && !slices.Equal(statuses, []string{good}) {
				t.Errorf("%s, packet %d, whole %t: %q", instance.Name, i+1, whole, row)
			}
		}
	}
}

func TestTsharkTellsTheStory(t *testing.T) {
	t.Parallel()
	// Of each protocol, packets with something of it; segments without data are TCP.
	// The ClientHello comes before it is clear which version the two agree on.
	want := map[string]map[string]int{
		"web-1": {"DNS": 2, "HTTP": 2, "ICMP": 4, "PGSQL": 5, "TLSv1.2": 1, "TLSv1.3": 5, "TCP": 22},
		"db-1":  {"ICMP": 4, "PGSQL": 5, "TCP": 6},
	}
	got := make(map[string]map[string]int)
	for _, instance := range Instances() {
		protocols := make(map[string]int)
		for _, row := range dissect(t, innerPackets(instance), "_ws.col.Protocol") {
			protocols[row[0]]++
		}
		got[instance.Name] = protocols
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("protocols, want (-) and got (+):\n%s", difference)
	}
}

func TestTsharkReadsTheMessages(t *testing.T) {
	t.Parallel()
	fields := []string{"dns.qry.name", "dns.a", "http.request.uri", "http.response.code",
		"tls.handshake.extensions_server_name", "tls.handshake.ciphersuite", "icmp.resptime", "pgsql.query"}
	found := make(map[string][]string)
	for _, row := range dissect(t, innerPackets(web1), fields...) {
		for i, value := range row {
			if value != "" && !slices.Contains(found[fields[i]], value) {
				found[fields[i]] = append(found[fields[i]], value)
			}
		}
	}
	want := map[string][]string{
		"dns.qry.name":                         {"db-1.shop.internal"},
		"dns.a":                                {"10.0.7.20"},
		"http.request.uri":                     {"/orders"},
		"http.response.code":                   {"200"},
		"tls.handshake.extensions_server_name": {"shop.example.com"},
		"tls.handshake.ciphersuite":            {"0x1301"},
		"icmp.resptime":                        {"0.27"},
		"pgsql.query":                          {"SELECT id, item FROM orders ORDER BY id LIMIT 3"},
	}
	if difference := cmp.Diff(want, found); difference != "" {
		t.Errorf("want (-) and found (+):\n%s", difference)
	}
}

func TestTsharkReadsTheWrapping(t *testing.T) {
	t.Parallel()
	vnis := map[string]string{"10.0.12.59": "12345", "10.0.7.20": "7340033"}
	var packets []captured
	for _, event := range Conversation() {
		packets = append(packets, captured{event.At, len(event.Frame), event.Frame})
	}
	for i, row := range dissect(t, packets, "ip.src", "ip.dst", "vxlan.vni", "ip.checksum.status") {
		if want := []string{row[0], Target.String(), vnis[row[0]], "1"}; !slices.Equal(row, want) {
			t.Errorf("packet %d: %q, want %q", i+1, row, want)
		}
	}
}
