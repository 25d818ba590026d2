package expression

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xdpeel/xdpeel/mirror"
)

// Of each expression the rules, as terse prints them.
var compilations = []struct{ text, want string }{
	{"", `
		accept any any any any -> any any`},
	{" \n", `
		accept any any any any -> any any`},
	{"tcp port 443", `
		accept ipv4,ipv6 tcp any 443 -> any any
		accept ipv4,ipv6 tcp any any -> any 443`},
	{"not tcp", `
		reject ipv4,ipv6,ipv6_fragment tcp any any -> any any
		accept any any any any -> any any`},
	{"tcp or not tcp", `
		accept any any any any -> any any`},
	{"ip or ip6 or arp or rarp", `
		accept ipv4 any any any -> any any
		accept ipv6,ipv6_fragment,ipv6_extensions any any any -> any any
		accept arp any any any -> any any
		accept rarp any any any -> any any`},
	{"icmp || icmp6", `
		accept ipv4 icmp any any -> any any
		accept ipv6,ipv6_fragment icmp6 any any -> any any`},
	{"host 10.0.0.1 or 10.0.0.2", `
		accept arp,rarp,ipv4 any 10.0.0.1/32 any -> any any
		accept arp,rarp,ipv4 any any any -> 10.0.0.1/32 any
		accept arp,rarp,ipv4 any 10.0.0.2/32 any -> any any
		accept arp,rarp,ipv4 any any any -> 10.0.0.2/32 any`},
	{"not host 10.0.0.1 and 10.0.0.2", `
		reject arp,rarp,ipv4 any 10.0.0.1/32 any -> any any
		reject arp,rarp,ipv4 any any any -> 10.0.0.1/32 any
		accept arp,rarp,ipv4 any 10.0.0.2/32 any -> any any
		accept arp,rarp,ipv4 any any any -> 10.0.0.2/32 any`},
	{"src net 10 or src host 10.0.0.1 or src net 10 and not src net 11", `
		accept arp,rarp,ipv4 any 10.0.0.0/8 any -> any any`},
	{"arp src 10.0.0.1", `
		accept arp any 10.0.0.1/32 any -> any any`},
	{"src and dst net 10.1", `
		accept arp,rarp,ipv4 any 10.1.0.0/16 any -> 10.1.0.0/16 any`},
	{"src net 10.1/16 or 192.168.0.0 mask 255.255.0.0 or ::/0", `
		accept arp,rarp,ipv4 any 10.1.0.0/16 any -> any any
		accept arp,rarp,ipv4 any 192.168.0.0/16 any -> any any
		accept ipv6,ipv6_fragment,ipv6_extensions any ::/0 any -> any any`},
	{"src net 10 and dst portrange 1023-1", `
		accept ipv4 any 10.0.0.0/8 any -> any 1-1023`},
	{"(tcp or udp) and port 53 and not net 10.0.0.0/8", `
		reject arp,rarp,ipv4 any 10.0.0.0/8 any -> any any
		reject arp,rarp,ipv4 any any any -> 10.0.0.0/8 any
		accept ipv4,ipv6 tcp any 53 -> any any
		accept ipv4,ipv6 udp any 53 -> any any
		accept ipv4,ipv6 tcp any any -> any 53
		accept ipv4,ipv6 udp any any -> any 53`},
	{`ip proto \tcp or 47`, `
		accept ipv4 tcp any any -> any any
		accept ipv4 47 any any -> any any`},
	{"proto 17", `
		accept ipv4,ipv6,ipv6_fragment udp any any -> any any`},
	{"src port 80 or 443 and src host 10.0.0.1", `
		accept ipv4 any 10.0.0.1/32 80 -> any any
		accept ipv4 any 10.0.0.1/32 443 -> any any`},
	{"src port 80 or (src port 443 and src host 10.0.0.1)", `
		accept ipv4,ipv6 any any 80 -> any any
		accept ipv4 any 10.0.0.1/32 443 -> any any`},
	{"src host 10.0.0.1 and (src port 80) or 10.0.0.2", `
		accept ipv4 any 10.0.0.1/32 80 -> any any
		accept arp,rarp,ipv4 any 10.0.0.2/32 any -> any any`},
	{"src port (80 or not 443)", `
		reject ipv4,ipv6 any any 443 -> any any
		accept any any any any -> any any`},
}

func TestCompile(t *testing.T) {
	t.Parallel()
	for _, c := range compilations {
		rules, err := Compile(c.text)
		if err != nil {
			t.Errorf("Compile(%q): %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(lines(c.want), terse(rules)); diff != "" {
			t.Errorf("Compile(%q) (-want +got):\n%s", c.text, diff)
		}
		for i, rule := range rules {
			if rule.Number != i+1 {
				t.Errorf("Compile(%q): rule %d is numbered %d", c.text, i+1, rule.Number)
			}
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	if f, err := Filter(" "); f != nil || err != nil {
		t.Errorf("Filter of a blank text: %v, %v, want none", f, err)
	}
	if f, err := Filter("frob"); f != nil || err == nil {
		t.Errorf("Filter of what is refused: %v, %v, want an error", f, err)
	}
	f, err := Filter("udp")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"accept ipv4,ipv6,ipv6_fragment udp any any -> any any"}
	if diff := cmp.Diff([][]string{want, want}, [][]string{terse(f.Ingress), terse(f.Egress)}); diff != "" {
		t.Errorf("rules for ingress and egress (-want +got):\n%s", diff)
	}
	if err := f.Check(); err != nil {
		t.Error(err)
	}
}

func lines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// terse returns what Format prints, without numbers, alignment and the words that
// are in every line.
func terse(rules []mirror.Rule) []string {
	var list []string
	for _, line := range lines(Format(rules)) {
		words := strings.Fields(line)[1:]
		kept := words[:0]
		for _, word := range words {
			if word != "src" && word != "dst" && word != "port" {
				kept = append(kept, word)
			}
		}
		list = append(list, strings.Join(kept, " "))
	}
	return list
}
