package expression

import (
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Kinds of frames, without a VLAN tag: libpcap reads the EtherType behind the MAC
// addresses, so to it a tagged frame is not IP.
const (
	ipv4           mirror.FamilySet = 1 << abi.FamilyIPv4
	arp            mirror.FamilySet = 1 << abi.FamilyARP
	rarp           mirror.FamilySet = 1 << abi.FamilyRARP
	ipv6Plain      mirror.FamilySet = 1 << abi.FamilyIPv6
	ipv6Fragment   mirror.FamilySet = 1 << abi.FamilyIPv6Fragment
	ipv6Extensions mirror.FamilySet = 1 << abi.FamilyIPv6Extensions

	ipv4Addresses = ipv4 | arp | rarp
	ipv6Addresses = ipv6Plain | ipv6Fragment | ipv6Extensions
	// Behind a fragment header libpcap looks for a protocol, but not for ports.
	withProtocol = ipv4 | ipv6Plain | ipv6Fragment
	withPorts    = ipv4 | ipv6Plain
)

// IP protocols that only expressions know, by IANA's registry of protocol numbers.
const (
	protocolIGMP = 2
	protocolIGRP = 9
	protocolESP  = 50
	protocolAH   = 51
	protocolPIM  = 103
	protocolVRRP = 112 // and CARP
)

// subject is what a qualifier asks for.
type subject uint8

// The values of subject.
const (
	subjectHost subject = 1 << iota
	subjectNet
	subjectPort
	subjectPortRange
	subjectProtocol
)

const (
	addresses = subjectHost | subjectNet
	ports     = subjectPort | subjectPortRange
)

var subjects = map[string]subject{
	"host": subjectHost, "net": subjectNet, "port": subjectPort, "portrange": subjectPortRange, "proto": subjectProtocol,
}

// protocol is a keyword that stands for packets, alone or before a subject.
type protocol struct {
	families mirror.FamilySet
	number   mirror.Protocol
	subjects subject // what it may stand before
}

// anyProtocol is where no keyword stands before a subject.
var anyProtocol = protocol{families: mirror.AllFamilies, subjects: addresses | ports | subjectProtocol}

var protocols = map[string]protocol{
	"ip":    {families: ipv4, subjects: addresses | subjectProtocol},
	"ip6":   {families: ipv6Addresses, subjects: addresses | subjectProtocol},
	"arp":   {families: arp, subjects: addresses},
	"rarp":  {families: rarp, subjects: addresses},
	"tcp":   {families: withProtocol, number: number(mirror.ProtocolTCP), subjects: ports},
	"udp":   {families: withProtocol, number: number(mirror.ProtocolUDP), subjects: ports},
	"sctp":  {families: withProtocol, number: number(mirror.ProtocolSCTP), subjects: ports},
	"icmp":  {families: ipv4, number: number(mirror.ProtocolICMP)},
	"icmp6": {families: ipv6Plain | ipv6Fragment, number: number(mirror.ProtocolICMPv6)},
	"igmp":  {families: ipv4, number: number(protocolIGMP)},
	"igrp":  {families: ipv4, number: number(protocolIGRP)},
	"vrrp":  {families: ipv4, number: number(protocolVRRP)},
	"carp":  {families: ipv4, number: number(protocolVRRP)},
	"pim":   {families: withProtocol, number: number(protocolPIM)},
	"ah":    {families: withProtocol, number: number(protocolAH)},
	"esp":   {families: withProtocol, number: number(protocolESP)},
}

func number(n uint8) mirror.Protocol { return mirror.Protocol{Number: n, Given: true} }

// escapedProtocols are the names that stand for a number behind proto. They are
// keywords too, so tcpdump wants a backslash before them.
var escapedProtocols = map[string]uint8{
	"icmp": mirror.ProtocolICMP, "igmp": protocolIGMP, "tcp": mirror.ProtocolTCP, "udp": mirror.ProtocolUDP, "esp": protocolESP,
	"ah": protocolAH, "pim": protocolPIM, "vrrp": protocolVRRP, "sctp": mirror.ProtocolSCTP,
}

// refused has the keywords of libpcap 1.10 that rules cannot stand for, by what
// can be said about them.
var refused = hints(map[string][]string{
	"a rule cannot ask for a tag or a label, or for what is behind it": {"vlan", "mpls", "pppoed", "pppoes", "geneve"},
	"a rule cannot ask for MAC addresses or EtherTypes": {"ether", "link", "fddi", "tr", "wlan", "ppp", "slip", "radio",
		"gateway", "atalk", "aarp", "decnet", "lat", "sca", "moprc", "mopdl", "stp", "ipx",
		"netbeui", "iso", "esis", "es-is", "isis", "is-is", "clnp", "llc", "type", "subtype", "dir", "direction",
		"addr1", "addr2", "addr3", "addr4", "address1", "address2", "address3", "address4"},
	"write dst host or dst net and the address":     {"broadcast", "multicast"},
	"a rule cannot ask for a length":                {"less", "greater", "len", "length"},
	"a rule cannot ask for bytes":                   {"byte"},
	"write proto":                                   {"protochain"},
	"an expression is for ingress and egress alike": {"inbound", "outbound"},
	"a mirrored packet does not have that": {"ifindex", "ifname", "on", "rset", "ruleset", "rnr", "rulenum", "srnr",
		"subrulenum", "reason", "action", "lane", "metac", "bcc", "oam", "oamf4", "oamf4ec", "oamf4sc", "sc", "ilmic",
		"vpi", "vci", "connectmsg", "metaconnect", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "fisu", "lssu",
		"lsu", "msu", "hfisu", "hlssu", "hmsu", "sio", "opc", "dpc", "sls", "hsio", "hopc", "hdpc", "hsls"},
})

func hints(byHint map[string][]string) map[string]string {
	byWord := make(map[string]string)
	for hint, words := range byHint {
		for _, word := range words {
			byWord[word] = hint
		}
	}
	return byWord
}

// isKeyword reports whether a word has a meaning of its own, so that it cannot be
// the name of a host or the like.
func isKeyword(word string) bool {
	_, isSubject := subjects[word]
	_, isProtocol := protocols[word]
	_, isRefused := refused[word]
	return isSubject || isProtocol || isRefused || word == "src" || word == "dst" || word == "mask"
}
