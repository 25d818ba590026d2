package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/xdpeel/xdpeel/benchmarks/programs"
	"github.com/xdpeel/xdpeel/mirror"
)

// drawsLength is DRAWS of programs/draw.h.
const drawsLength = 1 << 16

// Draws are packets for the programs to work on, in turn; programs/draw.h writes
// them into the frames.
type Draws [drawsLength]programs.StagesDraw

// drawnPacket is what tells a packet from the others.
type drawnPacket struct {
	source, destination         netip.Addr
	protocol                    uint8
	sourcePort, destinationPort uint16
}

// pick chooses one of n rules.
type pick func(dice *rand.Rand, n int) int

func anyRule(dice *rand.Rand, n int) int { return dice.IntN(n) }
func firstRule(*rand.Rand, int) int      { return 0 }
func lastRule(_ *rand.Rand, n int) int   { return n - 1 }

// drawHits draws random packets that a rule chosen by pick matches. They become
// those of the inner frame.
func drawHits(inner []byte, rules []mirror.Rule, which pick) *Draws {
	return draw(inner, func(dice *rand.Rand) drawnPacket {
		rule := &rules[which(dice, len(rules))]
		return within(dice, rule, rule)
	})
}

// drawMisses draws random packets that no scattered rule matches, though each
// address is one that some rule names: all tables are gone through to the end.
func drawMisses(inner []byte, rules []mirror.Rule) *Draws {
	together := make(map[[2]netip.Prefix]bool, len(rules))
	for i := range rules {
		together[[2]netip.Prefix{rules[i].Source, rules[i].Destination}] = true
	}
	return draw(inner, func(dice *rand.Rand) drawnPacket {
		for {
			source, destination := &rules[dice.IntN(len(rules))], &rules[dice.IntN(len(rules))]
			if !together[[2]netip.Prefix{source.Source, destination.Destination}] {
				return within(dice, source, destination)
			}
		}
	})
}

// within returns a random packet with the source of one rule and all else of another.
func within(dice *rand.Rand, source, rest *mirror.Rule) drawnPacket {
	ports := rest.DestinationPorts
	return drawnPacket{
		source: randomAddress(dice, source.Source), destination: randomAddress(dice, rest.Destination),
		protocol: rest.Protocol.Number, sourcePort: uint16(dice.Uint32()),
		destinationPort: ports.First + uint16(dice.IntN(int(ports.Last-ports.First)+1)),
	}
}

// randomAddress returns one of an IPv4 network.
func randomAddress(dice *rand.Rand, network netip.Prefix) netip.Addr {
	first := network.Addr().As4()
	n := binary.BigEndian.Uint32(first[:]) | dice.Uint32()&(1<<(32-network.Bits())-1)
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// draw fills the table for an inner frame, whose IP header the checksums are of.
func draw(inner []byte, next func(*rand.Rand) drawnPacket) *Draws {
	header := [innerUDP - innerIP]byte(inner[innerIP:innerUDP])
	dice := rand.New(rand.NewPCG(1, 2))
	draws := new(Draws)
	for i := range draws {
		p := next(dice)
		header[9] = p.protocol
		source, destination := p.source.As4(), p.destination.As4()
		clear(header[10:12])
		copy(header[12:], source[:])
		copy(header[16:], destination[:])
		draws[i] = programs.StagesDraw{
			Source: binary.NativeEndian.Uint32(source[:]), Destination: binary.NativeEndian.Uint32(destination[:]),
			SourcePort: networkOrder(p.sourcePort), DestinationPort: networkOrder(p.destinationPort),
			Checksum: fold(uint64(sum(header[:]))), Protocol: p.protocol,
		}
	}
	return draws
}

func networkOrder(port uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, port))
}
