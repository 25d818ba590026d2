package expression

import (
	"math/rand/v2"
	"strings"
)

// generator makes expressions of the documented subset. Their addresses, ports and
// protocols are few, and those of samplePackets.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 0))} }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// sometimes is true one time in n.
func (g generator) sometimes(n int) bool { return g.IntN(n) == 0 }

// carried is what a value without a qualifier means.
type carried struct {
	keyword string
	subject string
}

func (g generator) expression(depth int, outer *carried) string {
	text, q := g.term(depth, outer)
	for range g.IntN(5) {
		text += g.operator()
		if q != nil && g.sometimes(2) {
			text += g.value(depth, q)
			continue
		}
		var term string
		term, q = g.term(depth, q)
		text += term
	}
	return text
}

func (g generator) operator() string {
	return g.pick(" and ", " or ", " and ", " or ", " && ", " || ", " &&", " ||")
}

func (g generator) not() string { return g.pick("not ", "!", "! ") }

func (g generator) term(depth int, outer *carried) (string, *carried) {
	switch {
	case depth > 0 && g.sometimes(5):
		text, q := g.term(depth-1, outer)
		return g.not() + text, q
	case depth > 0 && g.sometimes(4):
		return "(" + g.expression(depth-1, outer) + ")", outer
	case g.sometimes(4):
		return g.pick("ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp", "pim", "vrrp",
			"carp", "ah", "esp"), nil
	}
	head, q := g.qualifier()
	return head + " " + g.value(depth, q), q
}

func (g generator) qualifier() (string, *carried) {
	ends := g.pick("", "", "", "src ", "dst ", "src or dst ", "dst or src ", "src and dst ", "dst && src ")
	switch g.IntN(5) {
	case 0:
		keyword := g.pick("", "tcp", "udp", "sctp")
		subject := g.pick("port", "port", "portrange")
		return strings.TrimSpace(keyword + " " + ends + subject), &carried{keyword, subject}
	case 1:
		keyword := g.pick("", "ip", "ip6")
		return strings.TrimSpace(keyword + " proto"), &carried{keyword, "proto"}
	}
	keyword := g.pick("", "", "ip", "ip6", "arp", "rarp")
	subject := g.pick("host", "net")
	if ends != "" && g.sometimes(3) {
		return strings.TrimSpace(keyword + " " + ends), &carried{keyword, "host"}
	}
	return strings.TrimSpace(keyword + " " + ends + subject), &carried{keyword, subject}
}

// value is one value, a negation of one, or a list in parentheses.
func (g generator) value(depth int, q *carried) string {
	switch {
	case depth > 0 && g.sometimes(8):
		return g.not() + g.value(depth-1, q)
	case depth > 0 && g.sometimes(8):
		text := g.single(q)
		if g.sometimes(6) {
			text = g.not() + g.value(depth-1, q)
		}
		for range g.IntN(3) {
			text += g.operator() + g.value(depth-1, q)
		}
		return "(" + text + ")"
	}
	return g.single(q)
}

func (g generator) single(q *carried) string {
	isIPv6 := q.keyword == "ip6" || q.keyword == "" && g.sometimes(3)
	switch q.subject {
	case "port":
		return g.pick("0", "53", "80", "443", "1024", "65535")
	case "portrange":
		return g.pick("53-80", "80-443", "0-65535", "443-1024", "1024-53", "80", "81-442", "1-65535")
	case "proto":
		if q.keyword != "ip6" && g.sometimes(4) {
			return g.pick(`\tcp`, `\udp`, `\icmp`, `\sctp`)
		}
		if q.keyword == "ip" && g.sometimes(4) {
			return g.pick("0", "43", "44", "60")
		}
		return g.pick("1", "2", "6", "17", "47", "51", "58", "59", "103", "132", "255")
	case "net":
		if isIPv6 {
			return g.pick("2001:db8::/32", "2001:db8::1", "::/0", "fe80::/10", "2001:db8::2/127", "::ffff:10.0.0.0/104")
		}
		return g.pick("10", "10.0", "10.1", "10.0.0", "192.168", "10.0.0.0/8", "10.1/16", "10.0.0.0/30", "0.0.0.0/0",
			"10.0.0.1/32", "192.168.0.0 mask 255.255.0.0", "10.0.0 mask 255.255.255", "10.0.0.2", "128.0.0.0/1")
	}
	if isIPv6 {
		return g.pick("2001:db8::1", "2001:db8::2", "fe80::1", "::ffff:10.0.0.1")
	}
	return g.pick("10.0.0.1", "10.0.0.2", "10.1.2.3", "192.168.1.1")
}

// mutated returns a text with one thing of it changed; often it is no expression
// any more.
func (g generator) mutated(text string) string {
	if g.sometimes(3) {
		at := g.IntN(len(text) + 1)
		return text[:at] + g.pick(" ", "(", ")", "!", "0", "1", "/", ".", "-", ":", "\\", "s") + text[at:]
	}
	words := strings.SplitAfter(text, " ")
	i, j := g.IntN(len(words)), g.IntN(len(words))
	switch g.IntN(4) {
	case 0:
		words[i] = ""
	case 1:
		words[i], words[j] = words[j], words[i]
	case 2:
		words[i] += words[j]
	default:
		words[i] = g.pick("and ", "or ", "not ", "(", ") ", "src ", "dst ", "host ", "net ", "port ", "portrange ",
			"proto ", "ip ", "ip6 ", "arp ", "tcp ", "icmp ", "80 ", "53-80 ", "10.0.0.1 ", "10.1 ", "::1 ", "mask ", "/8 ")
	}
	return strings.Join(words, "")
}
