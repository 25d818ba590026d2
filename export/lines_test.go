package export

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// frame joins headers, each written as hexadecimal digits.
func frame(t testing.TB, headers ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(strings.Join(headers, "")), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ethernet ends before the EtherType.
const ethernet = "020000000002 020000000001 "

// ipv4 is a header from 10.0.12.59 to 93.184.216.34, with no length.
func ipv4(protocol string) string {
	return "0800 4500 0000 0000 0000 40" + protocol + " 0000 0a000c3b 5db8d822 "
}

// ipv6 is a header from fe80::1 to ff02::1, with no length.
func ipv6(next string) string {
	return "86dd 60000000 0000 " + next + " 40 fe80" + strings.Repeat("00", 13) + "01 ff02" + strings.Repeat("00", 13) + "01 "
}

const (
	tcp = "c822 01bb 00000000 00000000 50 %s 0000 0000 0000 "
	udp = "0035 9c40 0008 0000 "
)

func tcpWith(flags string) string { return strings.Replace(tcp, "%s", flags, 1) }

// summarised is a frame and what a line says of it.
type summarised struct {
	name  string
	frame []byte
	want  string
}

func checkSummaries(t *testing.T, tests []summarised) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := string(appendFrame(nil, test.frame)); got != test.want {
				t.Errorf("summary %q, want %q", got, test.want)
			}
		})
	}
}

func TestSummariesOfIPv4(t *testing.T) {
	t.Parallel()
	checkSummaries(t, []summarised{
		{"tcp syn", frame(t, ethernet, ipv4("06"), tcpWith("02")), "IP 10.0.12.59.51234 > 93.184.216.34.443: TCP [S]"},
		{"tcp syn ack", frame(t, ethernet, ipv4("06"), tcpWith("12")), "IP 10.0.12.59.51234 > 93.184.216.34.443: TCP [S.]"},
		{"tcp all flags", frame(t, ethernet, ipv4("06"), tcpWith("ff")), "IP 10.0.12.59.51234 > 93.184.216.34.443: TCP [FSRP.UEW]"},
		{"tcp no flags", frame(t, ethernet, ipv4("06"), tcpWith("00")), "IP 10.0.12.59.51234 > 93.184.216.34.443: TCP [none]"},
		{"tcp cut before flags", frame(t, ethernet, ipv4("06"), tcpWith("02"))[:14+20+13], "IP 10.0.12.59.51234 > 93.184.216.34.443: TCP [cut]"},
		{"tcp cut in ports", frame(t, ethernet, ipv4("06"), tcpWith("02"))[:14+20+3], "IP 10.0.12.59 > 93.184.216.34: TCP [cut]"},
		{"udp", frame(t, ethernet, ipv4("11"), udp), "IP 10.0.12.59.53 > 93.184.216.34.40000: UDP"},
		{"sctp", frame(t, ethernet, ipv4("84"), udp), "IP 10.0.12.59.53 > 93.184.216.34.40000: SCTP"},
		{"echo request", frame(t, ethernet, ipv4("01"), "08"), "IP 10.0.12.59 > 93.184.216.34: ICMP echo request"},
		{"echo reply", frame(t, ethernet, ipv4("01"), "00"), "IP 10.0.12.59 > 93.184.216.34: ICMP echo reply"},
		{"icmp unreachable", frame(t, ethernet, ipv4("01"), "0301"), "IP 10.0.12.59 > 93.184.216.34: ICMP"},
		{"icmp cut", frame(t, ethernet, ipv4("01")), "IP 10.0.12.59 > 93.184.216.34: ICMP [cut]"},
		{"gre", frame(t, ethernet, ipv4("2f")), "IP 10.0.12.59 > 93.184.216.34: GRE"},
		{"unknown protocol", frame(t, ethernet, ipv4("fd")), "IP 10.0.12.59 > 93.184.216.34: ip-proto-253"},
		{"ipv4 options", frame(t, ethernet, "0800 46000000 00000000 40110000 0a000c3b 5db8d822 01010101", udp), "IP 10.0.12.59.53 > 93.184.216.34.40000: UDP"},
		{"ipv4 options cut", frame(t, ethernet, "0800 4f000000 00000000 40110000 0a000c3b 5db8d822", udp), "IP 10.0.12.59 > 93.184.216.34: UDP [cut]"},
		{"ipv4 first fragment", frame(t, ethernet, "0800 45000000 00002000 40110000 0a000c3b 5db8d822", udp), "IP 10.0.12.59.53 > 93.184.216.34.40000: UDP"},
		{"ipv4 later fragment", frame(t, ethernet, "0800 45000000 00000001 40110000 0a000c3b 5db8d822", udp), "IP 10.0.12.59 > 93.184.216.34: UDP frag"},
		{"ipv4 later fragment of icmp", frame(t, ethernet, "0800 45000000 00002001 40010000 0a000c3b 5db8d822", "08"), "IP 10.0.12.59 > 93.184.216.34: ICMP frag"},
		{"padding is not read", frame(t, ethernet, "0800 45000017 00000000 40110000 0a000c3b 5db8d822", udp), "IP 10.0.12.59 > 93.184.216.34: UDP [cut]"},
		{"ipv4 cut", frame(t, ethernet, ipv4("11"))[:14+19], "IP [cut]"},
		{"ipv4 missing", frame(t, ethernet, "0800"), "IP [cut]"},
		{"ipv4 of version 6", frame(t, ethernet, "0800 65"), "IP [malformed]"},
		{"ipv4 header of 16 bytes", frame(t, ethernet, "0800 44"), "IP [malformed]"},
	})
}

func TestSummariesOfIPv6(t *testing.T) {
	t.Parallel()
	hopByHop := func(next string) string { return next + " 00 000000000000 " }
	checkSummaries(t, []summarised{
		{"icmp6", frame(t, ethernet, ipv6("3a"), "87"), "IP6 fe80::1 > ff02::1: ICMP6"},
		{"icmp6 echo request", frame(t, ethernet, ipv6("3a"), "80"), "IP6 fe80::1 > ff02::1: ICMP6 echo request"},
		{"icmp6 echo reply", frame(t, ethernet, ipv6("3a"), "81"), "IP6 fe80::1 > ff02::1: ICMP6 echo reply"},
		{"ipv6 udp", frame(t, ethernet, ipv6("11"), udp), "IP6 fe80::1.53 > ff02::1.40000: UDP"},
		{"ipv6 extensions", frame(t, ethernet, ipv6("00"), hopByHop("3c"), hopByHop("2b"), hopByHop("11"), udp), "IP6 fe80::1.53 > ff02::1.40000: UDP"},
		{"ipv6 extension of 16 bytes", frame(t, ethernet, ipv6("00"), "1101 000000000000 0000000000000000", udp), "IP6 fe80::1.53 > ff02::1.40000: UDP"},
		{"ipv6 extension cut", frame(t, ethernet, ipv6("00"), "1101 000000000000 00000000"), "IP6 fe80::1 > ff02::1: [cut]"},
		{"ipv6 extension missing", frame(t, ethernet, ipv6("00")), "IP6 fe80::1 > ff02::1: [cut]"},
		{"ipv6 atomic fragment", frame(t, ethernet, ipv6("2c"), "1100 0000 00000000", udp), "IP6 fe80::1.53 > ff02::1.40000: UDP"},
		{"ipv6 later fragment", frame(t, ethernet, ipv6("2c"), "1100 0008 00000000", udp), "IP6 fe80::1 > ff02::1: UDP frag"},
		{"ipv6 later fragment is not walked on", frame(t, ethernet, ipv6("2c"), "3c00 0008 00000000", hopByHop("11"), udp), "IP6 fe80::1 > ff02::1: ip-proto-60 frag"},
		{"ipv6 fragment cut", frame(t, ethernet, ipv6("2c"), "1100 0000 000000"), "IP6 fe80::1 > ff02::1: [cut]"},
		{"ipv6 nine extensions", frame(t, ethernet, ipv6("00"), strings.Repeat(hopByHop("00"), 8), hopByHop("11")), "IP6 fe80::1 > ff02::1: ip-proto-0"},
		{"ipv6 padding is not read", frame(t, ethernet, strings.Replace(ipv6("11"), "60000000 0000", "60000000 0003", 1), udp), "IP6 fe80::1 > ff02::1: UDP [cut]"},
		{"ipv6 cut", frame(t, ethernet, ipv6("11"))[:14+39], "IP6 [cut]"},
		{"ipv6 missing", frame(t, ethernet, "86dd"), "IP6 [cut]"},
		{"ipv6 of version 4", frame(t, ethernet, "86dd 45"), "IP6 [malformed]"},
	})
}

func TestSummariesOfEthernet(t *testing.T) {
	t.Parallel()
	checkSummaries(t, []summarised{
		{"vlan", frame(t, ethernet, "8100 a005", ipv4("11"), udp), "vlan 5, IP 10.0.12.59.53 > 93.184.216.34.40000: UDP"},
		{"three vlans", frame(t, ethernet, "88a8 0fff 8100 0001 8100 0002", ipv6("3a"), "80"), "vlan 4095, vlan 1, vlan 2, IP6 fe80::1 > ff02::1: ICMP6 echo request"},
		{"four vlans", frame(t, ethernet, "8100 0001 8100 0002 8100 0003 8100 0004", ipv4("11")), "vlan 1, vlan 2, vlan 3, 0x8100"},
		{"vlan cut", frame(t, ethernet, "8100 000108"), "[cut]"},
		{"second vlan cut", frame(t, ethernet, "8100 0001 8100 00"), "vlan 1, [cut]"},
		{"arp", frame(t, ethernet, "0806 0001"), "ARP"},
		{"mpls", frame(t, ethernet, "8847 0001"), "MPLS"},
		{"mpls, upstream label", frame(t, ethernet, "8848"), "MPLS"},
		{"lldp", frame(t, ethernet, "88cc"), "0x88cc"},
		{"stp", frame(t, ethernet, "0026 4242 03"), "802.3"},
		{"neither length nor type", frame(t, ethernet, "05dd"), "0x05dd"},
		{"ethernet cut", frame(t, ethernet, "08"), "[cut]"},
		{"nothing", nil, "[cut]"},
	})
}

func TestLines(t *testing.T) {
	t.Parallel()
	syn, dns := frame(t, ethernet, ipv4("06"), tcpWith("02")), frame(t, ethernet, ipv4("11"), udp)
	b := mirror.NewBatch(10, 1000)
	for _, p := range []mirror.Packet{
		{Time: at, Session: web, Direction: abi.DirectionEgress, Length: 54, Data: syn},
		{Time: at + 999, Session: db, Direction: abi.DirectionIngress, Length: 120, Data: dns},
		{Time: at + 877e6, Session: mirror.Session{Source: netip.MustParseAddr("10.0.0.1")}, Length: 42, Data: frame(t, ethernet, "0806")},
		{Time: at, Session: web, Direction: 3, Length: 42},
	} {
		p.Data = append(b.Room(len(p.Data))[:0], p.Data...)
		b.Add(p)
	}
	want := `05:06:07.123456 vni 12345 from 10.0.12.59 Out IP 10.0.12.59.51234 > 93.184.216.34.443: TCP [S], length 54
05:06:07.123457 vni 7 from 2001:db8::7 In  IP 10.0.12.59.53 > 93.184.216.34.40000: UDP, length 120 (42 captured)
05:06:08.000456 vni 0 from 10.0.0.1 ?   ARP, length 42 (14 captured)
05:06:07.123456 vni 12345 from 10.0.12.59 ?   [cut], length 42 (0 captured)
`
	var out bytes.Buffer
	l := NewLines(&out, time.UTC)
	if err := errors.Join(l.Write(b), l.Flush()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if err := errors.Join(l.Write(mirror.NewBatch(1, 1)), l.Close(), l.Close(), l.Write(b)); err != nil {
		t.Fatal(err)
	}
	account := mirror.OutputAccount{Offered: 8, Delivered: 4, Lost: map[mirror.Loss]uint64{mirror.LossWriteError: 4}}
	if diff := cmp.Diff(account, l.Account()); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

func TestLinesOnFullDisk(t *testing.T) {
	t.Parallel()
	whole := &disk{room: 1 << 20}
	if err := NewLines(whole, nil).Write(batchOf(5, 60, 2)); err != nil {
		t.Fatal(err)
	}
	for room := range whole.content {
		d := &disk{room: room, full: syscall.ENOSPC}
		if room%2 == 1 {
			d.full = nil
		}
		l := NewLines(d, nil)
		err := l.Write(batchOf(5, 60, 2))
		if d.full != nil {
			checkWriteError(t, err, mirror.LossDiskFull, syscall.ENOSPC)
		} else {
			checkWriteError(t, err, mirror.LossWriteError, io.ErrShortWrite)
		}
		if err := l.Write(batchOf(2, 60, 2)); err != nil {
			t.Fatalf("after the first error: %v", err)
		}
		a := l.Account()
		if checkSum(t, a); a.Offered != 7 || a.Delivered != uint64(bytes.Count(d.content, []byte("\n"))) {
			t.Fatalf("room %d: account %+v", room, a)
		}
	}
}

func TestLinesDoNotAllocate(t *testing.T) {
	l, b := NewLines(io.Discard, time.UTC), batchOf(100, 60, 1)
	for i := range b.Packets {
		copy(b.Packets[i].Data, frame(t, ethernet, ipv4("06"), tcpWith("12")))
	}
	if allocations := testing.AllocsPerRun(10, func() { _ = l.Write(b) }); allocations != 0 {
		t.Errorf("%v allocations a batch, want 0", allocations)
	}
}

// Whatever a frame holds, it makes one line of printable characters.
func FuzzLine(f *testing.F) {
	for _, headers := range []string{
		"0806", "0800 44", "8100 0001" + ipv4("01") + "08", ipv4("06") + tcpWith("12"), ipv6("2c") + "3c00 0008 00000000",
		ipv6("00") + "1101 000000000000 0000000000000000" + udp,
	} {
		f.Add(frame(f, ethernet, headers), 99, uint8(1), int64(1))
	}
	l := NewLines(nil, time.UTC)
	f.Fuzz(func(t *testing.T, data []byte, length int, direction uint8, moment int64) {
		p := mirror.Packet{Time: moment, Session: web, Direction: abi.Direction(direction), Length: length, Data: slices.Clip(data)}
		line := l.appendLine(nil, &p)
		if len(line) > 300 || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Errorf("line %q", line)
		}
		for _, c := range line[:len(line)-1] {
			if c < ' ' || c > '~' {
				t.Errorf("line %q has byte %#x", line, c)
			}
		}
	})
}

func BenchmarkLines(b *testing.B) {
	l, batch := NewLines(io.Discard, time.Local), batchOf(1000, 60, 1)
	header := frame(b, ethernet, ipv4("06"), tcpWith("12"))
	for i := range batch.Packets {
		binary.BigEndian.PutUint16(header[34:], uint16(i))
		copy(batch.Packets[i].Data, header)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Write(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Packets)), "ns/packet")
}
