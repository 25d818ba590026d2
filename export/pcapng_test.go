package export

import (
	"encoding/hex"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

var (
	web = mirror.Session{VNI: 12345, Source: netip.MustParseAddr("10.0.12.59")}
	db  = mirror.Session{VNI: 7, Source: netip.MustParseAddr("2001:db8::7")}
)

// at is 2026-03-04 05:06:07.123456789 UTC.
const at int64 = 1772600767123456789

func nameOf(s mirror.Session) string {
	if s == web {
		return "web-1"
	}
	return ""
}

// blockTest is a block of a section, and its bytes.
type blockTest struct {
	block func(s *section) []byte
	want  string
}

func checkBlocks(t *testing.T, tests map[string]blockTest) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &section{application: "xdpeel 1.2.3", os: "Linux 6.1", snapLength: 65535, name: nameOf}
			s.begin(nil)
			// A reused buffer must not shine through the padding.
			if diff := cmp.Diff(hex.Dump(bytesOf(t, test.want)), hex.Dump(test.block(s))); diff != "" {
				t.Errorf("block (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHeaderBlocks(t *testing.T) {
	t.Parallel()
	checkBlocks(t, map[string]blockTest{
		"section header": {
			func(s *section) []byte { return s.begin(nil) },
			`0a0d0d0a 40000000             type, length
			 4d3c2b1a 0100 0000            byte order, version 1.0
			 ffffffffffffffff              section length: not known
			 0300 0900 4c696e757820362e31 000000     shb_os "Linux 6.1"
			 0400 0c00 78647065656c20312e322e33      shb_userappl "xdpeel 1.2.3"
			 0000 0000                     end of options
			 40000000                      length`,
		},
		"interface with a name": {
			func(s *section) []byte { return s.appendInterface(nil, web) },
			`01000000 4c000000             type, length
			 0100 0000 ffff0000            Ethernet, reserved, snap length 65535
			 0200 1900 766e69203132333435 2066726f6d20 31302e302e31322e3539 000000  if_name "vni 12345 from 10.0.12.59"
			 0300 0500 7765622d31 000000   if_description "web-1"
			 0900 0100 09 000000           if_tsresol 10^-9
			 0000 0000                     end of options
			 4c000000                      length`,
		},
		"interface without": {
			func(s *section) []byte { return s.appendInterface(nil, db) },
			`01000000 3c000000
			 0100 0000 ffff0000
			 0200 1600 766e692037 2066726f6d20 323030313a6462383a3a37 0000          if_name "vni 7 from 2001:db8::7"
			 0900 0100 09 000000
			 0000 0000
			 3c000000`,
		},
	})
}

func TestPacketBlocks(t *testing.T) {
	t.Parallel()
	checkBlocks(t, map[string]blockTest{
		"ingress packet": {
			func(s *section) []byte {
				p := mirror.Packet{Time: at, Session: web, Direction: abi.DirectionIngress, Length: 5, Data: []byte("\x01\x02\x03\x04\x05")}
				return s.appendPacket([]byte{}, &p, s.addInterface(web, at))
			},
			`06000000 34000000             type, length
			 00000000                      interface 0
			 018b9918 1583fa8c             time: high half, low half
			 05000000 05000000             captured, original length
			 0102030405 000000             data, padded
			 0200 0400 01000000            epb_flags: inbound
			 0000 0000                     end of options
			 34000000                      length`,
		},
		"egress packet, cut by the mirror, of an endpoint": {
			func(s *section) []byte {
				p := mirror.Packet{
					Time: 1, Session: db, Direction: abi.DirectionEgress, Truncated: true, Length: 9000,
					Endpoint: 0x00abcdef12345678, Data: []byte("\x01\x02\x03\x04"),
				}
				s.addInterface(web, at)
				return s.appendPacket([]byte{}, &p, s.addInterface(db, at))
			},
			`06000000 54000000             type, length
			 01000000                      interface 1
			 00000000 01000000             time
			 04000000 28230000             captured 4 of 9000
			 01020304                      data
			 0200 0400 02020000            epb_flags: outbound, checksum not ready
			 0100 2000 67776c6220656e64706f696e74203078 30306162636465663132333435363738  opt_comment "gwlb endpoint 0x00abcdef12345678"
			 0000 0000                     end of options
			 54000000                      length`,
		},
		"empty packet of unknown direction": {
			func(s *section) []byte {
				return s.appendPacket([]byte{}, &mirror.Packet{Time: -1, Session: web}, s.addInterface(web, 0))
			},
			`06000000 2c000000
			 00000000
			 ffffffff ffffffff
			 00000000 00000000
			 0200 0400 00000000            epb_flags are written all the same
			 0000 0000
			 2c000000`,
		},
	})
}

func TestStatisticsBlock(t *testing.T) {
	t.Parallel()
	checkBlocks(t, map[string]blockTest{
		"statistics": {
			func(s *section) []byte {
				number := s.addInterface(web, at)
				for _, time := range []int64{at, at + 2, at - 3} {
					s.appendPacket(nil, &mirror.Packet{Time: time, Session: web}, number)
				}
				return s.interfaces[0].appendStatistics(nil, 0, Statistics{Received: 1 << 32, Dropped: 3})
			},
			`05000000 4c000000             type, length
			 00000000                      interface 0
			 018b9918 1783fa8c             time: the last packet's
			 0200 0800 018b9918 1283fa8c   isb_starttime: the earliest packet's
			 0300 0800 018b9918 1783fa8c   isb_endtime
			 0400 0800 0000000001000000    isb_ifrecv
			 0500 0800 0300000000000000    isb_ifdrop
			 0000 0000                     end of options
			 4c000000                      length`,
		},
	})
}

// bytesOf reads the hexadecimal digits of each line up to the first word that is none.
func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		for _, word := range strings.Fields(line) {
			if _, err := hex.DecodeString(word); err != nil {
				break
			}
			digits.WriteString(word)
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPaddingOfReusedBuffer(t *testing.T) {
	t.Parallel()
	s := &section{}
	s.begin(nil)
	number := s.addInterface(web, at)
	for length := range 9 {
		dirty := []byte(strings.Repeat("\xff", 100))
		p := mirror.Packet{Session: web, Data: []byte("abcdefghi")[:length], Endpoint: 1}
		block := s.appendPacket(dirty[:0], &p, number)
		padding := block[packetHeaderSize+length : packetHeaderSize+padded(length)]
		if string(padding) != "\x00\x00\x00"[:len(padding)] {
			t.Errorf("data of %d bytes is padded with %x", length, padding)
		}
	}
}

func TestSessionNumbers(t *testing.T) {
	t.Parallel()
	s := &section{}
	s.begin(nil)
	// More than there are slots, some of them in one slot, and one VNI of two sources.
	var sessions []mirror.Session
	for vni := range uint32(3 * recentSessions) {
		sessions = append(sessions, mirror.Session{VNI: vni, Source: web.Source}, mirror.Session{VNI: vni, Source: db.Source})
	}
	for _, session := range sessions {
		if number, known := s.number(session); known {
			t.Fatalf("%s has number %d before it was given one", session, number)
		}
		s.addInterface(session, at)
	}
	check := func(kept int) {
		t.Helper()
		for range 2 {
			for want, session := range sessions {
				number, known := s.number(session)
				if known != (want < kept) || known && number != uint32(want) {
					t.Fatalf("%s has number %d, %v; want %d of %d", session, number, known, want, kept)
				}
			}
		}
	}
	check(len(sessions))
	s.keepInterfaces(5)
	check(5)
	s.begin(nil)
	check(0)
}

// discard is standard output that takes everything.
func discard(t testing.TB) *File {
	t.Helper()
	f, err := NewFile(FileOptions{Path: "-", Stdout: io.Discard, Statistics: noStatistics})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func noStatistics(mirror.Session) Statistics { return Statistics{} }

// batchOf returns packets of n bytes, of as many sessions as given.
func batchOf(packets, n, sessions int) *mirror.Batch {
	b := mirror.NewBatch(packets, packets*n)
	for i := range packets {
		session := mirror.Session{VNI: uint32(i % sessions), Source: web.Source}
		b.Add(mirror.Packet{
			Time: at + int64(i), Session: session, Direction: abi.DirectionIngress,
			Endpoint: uint64(i % 2), Truncated: i%3 == 0, Length: n, Data: b.Room(n),
		})
	}
	return b
}

func TestFileDoesNotAllocate(t *testing.T) {
	for way, b := range map[string]*mirror.Batch{"copied": batchOf(1000, 777, 10), "in place": fresh(64)} {
		f := discard(t)
		write := func() {
			if err := f.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		write()
		if allocations := testing.AllocsPerRun(100, write); allocations != 0 {
			t.Errorf("%s: %v allocations a batch, want 0", way, allocations)
		}
	}
}

func BenchmarkPcapng(b *testing.B) {
	for name, shape := range map[string]struct{ bytes, sessions int }{
		"64B": {64, 1}, "64B/40sessions": {64, 40}, "64B/400sessions": {64, 400}, "1450B": {1450, 1},
	} {
		b.Run(name, func(b *testing.B) {
			const packets = 1000
			f, batch := discard(b), batchOf(packets, shape.bytes, shape.sessions)
			for i := range batch.Packets {
				batch.Packets[i].Endpoint = 0
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := f.Write(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*packets), "ns/packet")
		})
	}
}
