package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/lab/frames"
)

// Workload is an endless row of mirrored packets, all of them different: packet
// number n has n in it.
type Workload struct {
	Sizes    []int // bytes of the inner frames, used in turn; at least stampEnd each
	Flows    int   // packet n is of flow n modulo Flows
	Sessions int   // flow n is of session n modulo Sessions, each a VNI and an outer source
}

// Where session 0 and flow 0 begin. The clients are of the shared address space
// (RFC 6598), which has room for four million.
var (
	firstSource = netip.MustParseAddr("10.1.0.0")
	firstClient = netip.MustParseAddr("100.64.0.0")
	target      = netip.MustParseAddr("10.0.99.10")

	routerMAC = frames.MAC{0x0a, 0xc4, 0x6f, 0x02, 0x8d, 0x11}
	hostMAC   = frames.MAC{0x0a, 0x5e, 0x21, 0x7c, 0x90, 0x3b}
)

const firstVNI = 12345

// Offsets in an outer frame, and in an inner one. The generator's struct headers
// has the same.
const (
	outerIP    = 14
	outerUDP   = outerIP + 20
	outerVXLAN = outerUDP + 8
	innerStart = outerVXLAN + 8

	innerIP    = 14
	innerUDP   = innerIP + 20
	stampStart = innerUDP + 8
	stampEnd   = stampStart + 20
)

// Frames makes the packets of a workload. What it returns is overwritten by the
// next packet of the same size.
type Frames struct {
	workload Workload
	sizes    []programs.GeneratorSize
	outer    [][]byte
}

// NewFrames prepares the frames of w for a receiver with the given MAC.
func NewFrames(w Workload, receiver []byte) (*Frames, error) {
	if len(w.Sizes) == 0 || len(w.Sizes) > len(programs.GeneratorWorkload{}.Mix) || w.Flows < 1 || w.Sessions < 1 {
		return nil, fmt.Errorf("make frames: no such workload: %+v", w)
	}
	f := &Frames{workload: w}
	for _, size := range w.Sizes {
		if size < stampEnd {
			return nil, fmt.Errorf("make frames: %d bytes are too few, %d is the least", size, stampEnd)
		}
		outer := blank(size, receiver)
		f.outer = append(f.outer, outer)
		f.sizes = append(f.sizes, sums(outer))
	}
	return f, nil
}

// blank returns a mirrored packet of no flow yet.
func blank(size int, receiver []byte) []byte {
	zero := netip.AddrFrom4([4]byte{})
	payload := frames.Payload(size - stampStart)
	clear(payload[:stampEnd-stampStart])
	inner := frames.UDPFrame(
		frames.Peer{MAC: routerMAC, Address: zero, Port: 40000},
		frames.Peer{MAC: hostMAC, Address: zero, Port: 443}, payload)
	mirrored := frames.FromAWS(inner, firstVNI, zero, target)
	copy(mirrored.To[:], receiver)
	outer := mirrored.Bytes()
	clear(outer[outerIP+10 : outerIP+12])
	clear(outer[innerStart+innerIP+10 : innerStart+innerIP+12])
	clear(outer[innerStart+innerUDP+6 : innerStart+innerUDP+8])
	return outer
}

// sums returns the checksums under way of a blank frame.
func sums(outer []byte) programs.GeneratorSize {
	inner := outer[innerStart:]
	length := len(inner) - innerUDP
	pseudo := []byte{0, frames.ProtocolUDP, byte(length >> 8), byte(length)}
	return programs.GeneratorSize{
		Frame:      uint32(len(outer)),
		OuterIpSum: sum(outer[outerIP:outerUDP]),
		InnerIpSum: sum(inner[innerIP:innerUDP]),
		UdpSum:     sum(inner[innerUDP:]) + sum(pseudo),
	}
}

// sum adds up data as the checksum of RFC 1071 does, in words as they lie in memory.
func sum(data []byte) (total uint32) {
	for len(data) >= 2 {
		total += uint32(binary.LittleEndian.Uint16(data))
		data = data[2:]
	}
	if len(data) == 1 {
		total += uint32(data[0])
	}
	return total
}

func fold(total uint64) uint16 {
	for total > 0xffff {
		total = total&0xffff + total>>16
	}
	return ^uint16(total)
}

// Outer returns packet number sequence as it comes from the mirror.
func (f *Frames) Outer(sequence uint64) []byte {
	kind := sequence % uint64(len(f.outer))
	outer, size := f.outer[kind], f.sizes[kind]
	flow := uint32(sequence % uint64(f.workload.Flows))
	session := flow % uint32(f.workload.Sessions)
	check := checkOf(sequence, flow, session)
	source, client := after(firstSource, session), after(firstClient, flow)
	sourceWord, clientWord := uint64(binary.LittleEndian.Uint32(source[:])), uint64(binary.LittleEndian.Uint32(client[:]))

	copy(outer[outerIP+12:], source[:])
	binary.LittleEndian.PutUint16(outer[outerIP+10:], fold(uint64(size.OuterIpSum)+sourceWord))
	binary.BigEndian.PutUint16(outer[outerUDP:], 0xff80|uint16(flow&0x7f))
	binary.BigEndian.PutUint32(outer[outerVXLAN+4:], (firstVNI+session)<<8)

	inner := outer[innerStart:]
	copy(inner[innerIP+12:], client[:])
	copy(inner[innerIP+16:], source[:])
	binary.LittleEndian.PutUint16(inner[innerIP+10:], fold(uint64(size.InnerIpSum)+sourceWord+clientWord))
	binary.LittleEndian.PutUint64(inner[stampStart:], sequence)
	binary.LittleEndian.PutUint32(inner[stampStart+8:], flow)
	binary.LittleEndian.PutUint32(inner[stampStart+12:], session)
	binary.LittleEndian.PutUint32(inner[stampStart+16:], check)
	binary.LittleEndian.PutUint16(inner[innerUDP+6:], fold(uint64(size.UdpSum)+sourceWord+clientWord+
		sequence&0xffffffff+sequence>>32+uint64(flow)+uint64(session)+uint64(check)))
	return outer
}

// Inner returns packet number sequence as the mirrored interface saw it.
func (f *Frames) Inner(sequence uint64) []byte { return f.Outer(sequence)[innerStart:] }

// checkOf spreads what identifies a packet over 32 bits; check_of in the
// generator is the same.
func checkOf(sequence uint64, flow, session uint32) uint32 {
	mixed := (sequence + 1) * 0x9e3779b97f4a7c15
	mixed ^= (uint64(flow)<<32 | uint64(session)) * 0xc2b2ae3d27d4eb4f
	return uint32(mixed >> 32)
}

// after returns the address n after first.
func after(first netip.Addr, n uint32) [4]byte {
	address := first.As4()
	binary.BigEndian.PutUint32(address[:], binary.BigEndian.Uint32(address[:])+n)
	return address
}

// constants returns the workload as the generator program takes it.
func (f *Frames) constants() programs.GeneratorWorkload {
	word := func(a netip.Addr) uint32 { b := a.As4(); return binary.LittleEndian.Uint32(b[:]) }
	c := programs.GeneratorWorkload{
		Mixed: uint32(len(f.sizes)), Flows: uint32(f.workload.Flows), Sessions: uint32(f.workload.Sessions),
		FirstSource: word(firstSource), FirstClient: word(firstClient), FirstVni: firstVNI, Burst: liveBatch,
	}
	copy(c.Mix[:], f.sizes)
	return c
}

// template returns what the generator makes frames of: a copy of one of the largest size,
// and behind it the byte that it cuts off those of a mix.
func (f *Frames) template() []byte {
	longest := slices.Clone(slices.MaxFunc(f.outer, func(a, b []byte) int { return len(a) - len(b) }))
	if len(f.outer) > 1 {
		longest = append(longest, 0)
	}
	return longest
}

// oneFrame returns the first mirrored packet of a workload of one size.
func oneFrame(size int) ([]byte, error) {
	f, err := NewFrames(captureWorkload(size), hostMAC[:])
	if err != nil {
		return nil, err
	}
	return f.Outer(0), nil
}
