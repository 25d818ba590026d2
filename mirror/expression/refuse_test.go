package expression

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is refused, the column of the caret, and why.
var refusals = []struct {
	text    string
	column  int
	message string
}{
	{`frob`, 1, `"frob" is no primitive: they begin with host, net, port, portrange, proto, src, dst, or a protocol such as ip6 or tcp`},
	{`10.0.0.1`, 1, `say what "10.0.0.1" is: put host, net, port or the like before it`},
	{`host web`, 6, `"web" is not an IP address; names are not looked up`},
	{`host TCP`, 6, `"TCP" is not an IP address; names are not looked up`},
	{`port http`, 6, `"http" is not a port number; names are not looked up`},
	{`tcp port 80-90`, 10, `"80-90" is not a port number: ranges are for portrange`},
	{`portrange http-90`, 11, `"http-90" is not a port range such as 80-90; names are not looked up`},
	{`portrange 80-`, 11, `"80-" is not a port range such as 80-90; names are not looked up`},
	{`portrange 80-70000`, 14, `70000 is too large: at most 65535`},
	{`port 65536`, 6, `65536 is too large: at most 65535`},
	{`port 010`, 6, `"010" is not a decimal number: write it without the leading 0`},
	{`port 0x50`, 6, `"0x50" is not a port number; names are not looked up`},
	{`proto gre`, 7, `"gre" is not a protocol number; names are not looked up`},
	{`ip proto tcp`, 10, `tcp is a keyword: write \tcp or 6`},
	{`ip proto 256`, 10, `256 is too large: at most 255`},
	{`ip6 proto 44`, 11, `a rule looks behind the extension header 44 of IPv6, and cannot ask for it: write ip proto 44 if IPv4 is meant`},
	{`proto 0`, 7, `a rule looks behind the extension header 0 of IPv6, and cannot ask for it: write ip proto 0 if IPv4 is meant`},
	{`ip proto \frob`, 10, `"frob" is not a protocol number; names are not looked up`},
	{`tcp and vlan 5`, 9, `vlan is not supported: a rule cannot ask for a tag or a label, or for what is behind it`},
	{`ether host 02:00:00:00:00:01`, 1, `ether is not supported: a rule cannot ask for MAC addresses or EtherTypes`},
	{`tcp[13] = 2`, 4, `a rule cannot ask for bytes of a packet`},
	{`tcp [13] & 2 != 0`, 5, `a rule cannot ask for bytes of a packet`},
	{`ip broadcast`, 4, `broadcast is not supported: write dst host or dst net and the address`},
	{`greater 100`, 1, `greater is not supported: a rule cannot ask for a length`},
	{`len > 5`, 1, `len is not supported: a rule cannot ask for a length`},
	{`gateway 10.0.0.1`, 1, `gateway is not supported: a rule cannot ask for MAC addresses or EtherTypes`},
	{`inbound`, 1, `inbound is not supported: an expression is for ingress and egress alike`},
	{`ip6 protochain 6`, 5, `protochain is not supported: write proto`},
	{`tcp host 10.0.0.1`, 5, `host cannot stand behind tcp`},
	{`tcp src 80`, 9, `"80" stands where port or portrange should come`},
	{`ip port 80`, 4, `port cannot stand behind ip`},
	{`icmp src 10.0.0.1`, 6, `src cannot stand behind icmp`},
	{`src proto 6`, 5, `a protocol has no source and destination: write proto without them`},
	{`ip6 host 10.0.0.1`, 10, `ip6 has no addresses such as 10.0.0.1`},
	{`ip host ::1`, 9, `ip has no addresses such as ::1`},
	{`host 10.0.0`, 6, `"10.0.0" is not an IP address; a part of one is for net`},
	{`host 10.0.0.256`, 6, `"10.0.0.256" is not an IP address; a part of one is for net`},
	{`host 10.0.0.1.1`, 6, `"10.0.0.1.1" is not an IP address; names are not looked up`},
	{`host 443`, 6, `"443" is not an IP address; names are not looked up`},
	{`host 10.0.0.0/8`, 14, `a host has no prefix length: write net`},
	{`src 10.0.0.0/8`, 13, `a host has no prefix length: write net`},
	{`host`, 5, `the expression ends where an address should come`},
	{`host and`, 6, `"and" stands where an address should come`},
	{`host (10.0.0.1`, 15, `the expression ends where an operator or a closing parenthesis should come`},
	{`host ((10.0.0.1))`, 8, `a list of values cannot begin with a list: leave out the inner parentheses`},
	{`(tcp`, 5, `the expression ends where an operator or a closing parenthesis should come`},
	{`tcp)`, 4, `")" stands where an operator or the end should come`},
	{`tcp and`, 8, `the expression ends where a primitive such as tcp or host 10.0.0.1 should come`},
	{`tcp udp`, 5, `"udp" stands where an operator or the end should come`},
	{`tcp 80`, 5, `say what "80" is: put host, net, port or the like before it`},
	{`and tcp`, 1, `"and" stands where a primitive such as tcp or host 10.0.0.1 should come`},
	{`not`, 4, `the expression ends where a primitive such as tcp or host 10.0.0.1 should come`},
	{`tcp and 80`, 9, `say what "80" is: nothing before it carries over`},
	{`(host 10.0.0.1) or 10.0.0.2`, 20, `say what "10.0.0.2" is: nothing before it carries over`},
	{`host 10.0.0.1 and (port 80 or 10.0.0.2)`, 31, `"10.0.0.2" is not a port number; names are not looked up`},
	{`net 10/8`, 7, `before a prefix length write all of the address: 10.0.0.0`},
	{`net 0`, 5, `to tcpdump net 0 is the host 0.0.0.0: write net 0.0.0.0/8 or another length`},
	{`net 256`, 5, `256 is too large: at most 255`},
	{`net 10.1.2.3/24`, 5, `10.1.2.3 has bits set behind the first 24: the network is 10.1.2.0/24`},
	{`net 10.0.0.0/33`, 14, `33 is too large: at most 32`},
	{`net 10.0.0.0/x`, 14, `"x" stands where a prefix length should come`},
	{`net 10 mask 255.0.0.0`, 8, `a mask is for an IPv4 address with a dot: write a prefix length`},
	{`net 10.0.0.0 mask 255.0.255.0`, 19, `the ones of a mask have to come first: 255.0.255.0 is no prefix`},
	{`net 10.1.0.0 mask 255.0.0.0`, 5, `10.1.0.0 has bits set behind the first 8: the network is 10.0.0.0/8`},
	{`net 10.0.0.0 mask 8`, 19, `"8" stands where a mask such as 255.255.0.0 should come`},
	{`net 2001:db8::1/32`, 5, `2001:db8::1 has bits set behind the first 32: the network is 2001:db8::/32`},
	{`net 2001:db8::/129`, 16, `129 is too large: at most 128`},
	{`net example`, 5, `"example" is not a network; names are not looked up`},
	{`host 2001:db8::1::2`, 6, `"2001:db8::1::2" is not an IP address; a part of one is for net`},
	{`host fe80::1%eth0`, 13, `"%" stands where an operator or the end should come`},
	{`host 10.0.0.1 & tcp`, 15, `"&" stands where an operator or the end should come`},
	{`tcp and udp`, 1, `no packet matches this expression`},
	{`ip6 and host 10.0.0.1`, 1, `no packet matches this expression`},
	{`src or src host 10.0.0.1`, 5, `"or" stands where an address should come`},
	{`host 10.0.0.1 = 5`, 15, `"=" stands where an operator or the end should come`},
	{`é and tcp`, 1, `"é" stands where a primitive such as tcp or host 10.0.0.1 should come`},
	{`tcp and é`, 9, `"é" stands where a primitive such as tcp or host 10.0.0.1 should come`},
	{`tcp,udp`, 4, `"," stands where an operator or the end should come`},
	{`host 10.0.0.1 mask 255.0.0.0`, 15, `"mask" stands where an operator or the end should come`},
	{`src \dst 10.0.0.1`, 5, `"dst" is not an IP address; names are not looked up`},
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range refusals {
		rules, err := Compile(c.text)
		var refusal *Error
		if !errors.As(err, &refusal) {
			t.Errorf("Compile(%q): accepted:\n%s", c.text, Format(rules))
			continue
		}
		want := Error{Text: c.text, Column: c.column, Message: c.message}
		if diff := cmp.Diff(want, *refusal); diff != "" {
			t.Errorf("Compile(%q) (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  Error
		want string
	}{
		{Error{"tcp and vlan 5", 9, "no"}, "no\n  tcp and vlan 5\n          ^"},
		{Error{"tcp\nand\té\x1b[1m", 9, "no"}, "no\n  tcp and é\uFFFD[1m\n          ^"},
		{Error{"", 1, "no"}, "no"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("Error() = %q, want %q", got, c.want)
		}
	}
}
