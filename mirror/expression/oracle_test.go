package expression

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// How many expressions tcpdump is asked about, half of them with something changed.
// `go test ./mirror/expression -run Oracle -expressions 100000` takes its time.
var (
	oracleExpressions = flag.Int("expressions", 3000, "expressions to compare with tcpdump's")
	oracleSeed        = flag.Uint64("seed", 1, "of the expressions to compare with tcpdump's")
)

// oracle judges packets as libpcap does.
type oracle struct {
	packets [][]byte
	headers []mirror.Headers // of the packets, as the rules see them
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	labtest.Need(t, "tcpdump")
	o := &oracle{packets: samplePackets()}
	for _, packet := range o.packets {
		o.headers = append(o.headers, mirror.ReadHeaders(packet))
	}
	return o
}

// program returns libpcap's program of an expression, not optimized (-O): the
// optimizer of libpcap 1.10.3 forgets a comparison now and then. To
// `rarp host 10.0.0.2 && 10.0.0.1 || 10.0.0.2 || 10.1.2.3` its program does not
// take RARP from 10.1.2.3 to 10.0.0.1.
func program(text string) (*bpf.VM, error) {
	var stderr bytes.Buffer
	command := exec.Command("tcpdump", "-y", "EN10MB", "-O", "-ddd", "--", text)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("run tcpdump: %w: %s", err, stderr.String())
	}
	var instructions []bpf.Instruction
	for line := range strings.Lines(string(out[bytes.IndexByte(out, '\n')+1:])) {
		var raw bpf.RawInstruction
		if _, err := fmt.Sscan(line, &raw.Op, &raw.Jt, &raw.Jf, &raw.K); err != nil {
			return nil, fmt.Errorf("read instruction %q: %w", line, err)
		}
		instructions = append(instructions, raw.Disassemble())
	}
	return bpf.NewVM(instructions)
}

// compare checks that the rules take of the sample packets what libpcap takes, and
// returns how many that are.
func (o *oracle) compare(t *testing.T, text string, rules []mirror.Rule) (taken int) {
	t.Helper()
	vm, err := program(text)
	if err != nil {
		t.Errorf("%s\naccepted, but tcpdump refuses it: %v", text, err)
		return 0
	}
	filter := &mirror.Filter{Ingress: rules, Egress: rules}
	for i, packet := range o.packets {
		kept, err := vm.Run(packet)
		if err != nil {
			t.Fatalf("%s\nrun tcpdump's program: %v", text, err)
		}
		match := filter.Match(abi.DirectionIngress, &o.headers[i])
		if match.Accept != (kept > 0) {
			t.Errorf("%s\n%saccepts %x: %v, want %v", text, Format(rules), packet, match.Accept, kept > 0)
			return taken
		}
		if match.Accept {
			taken++
		}
	}
	return taken
}

// compiled returns the rules of a text, none if it takes no packet; false if it is
// refused for anything else.
func compiled(text string) ([]mirror.Rule, bool) {
	rules, err := Compile(text)
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Message == takesNothing {
		return nil, true
	}
	return rules, err == nil
}

func TestOracleDocumented(t *testing.T) {
	t.Parallel()
	o := newOracle(t)
	texts := documented(t, "Expressions")
	for _, c := range compilations {
		texts = append(texts, c.text)
	}
	for _, text := range texts {
		rules, err := Compile(text)
		if err != nil {
			t.Errorf("Compile(%q): %v", text, err)
			continue
		}
		o.compare(t, text, rules)
	}
}

func TestOracleGenerated(t *testing.T) {
	t.Parallel()
	o := newOracle(t)
	g := newGenerator(*oracleSeed)
	var telling, most int
	for range *oracleExpressions / 2 {
		text := g.expression(5, nil)
		rules, ok := compiled(text)
		if !ok {
			_, err := Compile(text)
			t.Errorf("refused: %v", err)
			continue
		}
		if taken := o.compare(t, text, rules); taken > 0 && taken < len(o.packets) {
			telling++
		}
		most = max(most, len(rules))
	}
	t.Logf("%d packets, %d expressions, of which %d take some and not all; at most %d rules", len(o.packets), *oracleExpressions/2, telling, most)
	if telling < *oracleExpressions/4 {
		t.Errorf("only %d expressions tell the packets apart", telling)
	}
}

// What tcpdump refuses is refused: so tcpdump is asked about what is accepted, and
// by that about no name, which it would look up.
func TestOracleMutated(t *testing.T) {
	t.Parallel()
	o := newOracle(t)
	g := newGenerator(*oracleSeed + 1)
	refused := 0
	for accepted := 0; accepted < *oracleExpressions/2; {
		text := g.mutated(g.mutated(g.expression(2, nil)))
		rules, ok := compiled(text)
		if !ok {
			refused++
			continue
		}
		accepted++
		o.compare(t, text, rules)
	}
	t.Logf("%d packets, %d expressions, and %d that were refused", len(o.packets), *oracleExpressions/2, refused)
}
