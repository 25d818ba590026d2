package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/mirror"
	"github.com/xdpeel/xdpeel/mirror/expression"
)

// question is a mirrored packet of which it is asked what becomes of it.
type question struct {
	title     string
	session   mirror.Session
	direction abi.Direction
	told      string // how direction was told
	headers   mirror.Headers
	frame     []byte // the inner frame with its own Ethernet header, nil without
	arrived   int    // bytes of the inner frame, 0: not known
}

// directionByAddress tells a packet's direction by its addresses, as docs/judgement.md
// ("Direction") does.
func directionByAddress(s mirror.Session, h *mirror.Headers) (direction abi.Direction, told string) {
	switch {
	case !mirror.IPFamilies.Has(h.Family):
	case h.Source.Unmap() == s.Source:
		return abi.DirectionEgress, "its source address is the mirrored interface's"
	case h.Destination.Unmap() == s.Source:
		return abi.DirectionIngress, "its destination address is the mirrored interface's"
	}
	return abi.DirectionUnknown, "no address is the mirrored interface's, and no MAC address tells"
}

// explainer answers questions by one configuration. It decides nothing: it asks
// the reference that decides.
type explainer struct {
	config *config.Config
	out    io.Writer
	brief  bool
	said   int // answers
}

// answer is a question's, a line for each of what decides.
type answer struct {
	lines   [][2]string // what decides, and how
	session string      // short
	rule    string      // short; "" without
	outputs string
	outcome abi.Outcome
}

func (a *answer) say(what, format string, args ...any) {
	a.lines = append(a.lines, [2]string{what, fmt.Sprintf(format, args...)})
}

// explain prints the answer to q. judged is what a judge made of the packet, or
// abi.OutcomeMax where none has seen it.
func (e *explainer) explain(q question, judged abi.Outcome) error {
	a := e.answer(&q, judged)
	if e.brief {
		fields := []string{q.title, q.direction.String(), a.session}
		if a.rule != "" {
			fields = append(fields, a.rule)
		}
		_, err := fmt.Fprintf(e.out, "%s: %s%s\n", strings.Join(fields, ", "), a.outcome, a.outputs)
		return err
	}
	if e.said++; e.said > 1 {
		fmt.Fprintln(e.out)
	}
	fmt.Fprintln(e.out, q.title)
	for _, line := range a.lines {
		fmt.Fprintf(e.out, "  %-10s %s\n", line[0], line[1])
	}
	_, err := fmt.Fprintf(e.out, "  %-10s %s%s\n", "outcome", a.outcome, a.outputs)
	return err
}

// answer goes the way of a packet until something ends it.
func (e *explainer) answer(q *question, judged abi.Outcome) *answer {
	a := new(answer)
	wanted := e.explainSession(a, q)
	if wanted == nil {
		return a
	}
	a.say("direction", "%s: %s", q.direction, q.told)
	if !explainFilter(a, wanted.Filter, q) {
		a.outcome = abi.OutcomeFiltered
		return a
	}
	a.outcome = abi.OutcomeDelivered
	if isKept := explainSampling(a, wanted.Sample, e.config.Policy.Seed, q, judged); !isKept {
		a.outcome = abi.OutcomeSampledOut
		return a
	}
	explainSnap(a, wanted.Snap, q)
	a.outputs = ", to no output"
	if names := e.outputNames(wanted.Outputs); len(names) > 0 {
		a.outputs = " to " + strings.Join(names, ", ")
	}
	return a
}

// explainSession says whose packet it is; nil: nobody's who is configured.
func (e *explainer) explainSession(a *answer, q *question) *mirror.SessionPolicy {
	policy := e.config.Policy
	if !policy.Allows(q.session.Source) {
		a.outcome, a.session = abi.OutcomeDeniedSource, "not allowed"
		a.say("source", "%s is in none of allow_sources: dropped", q.session.Source)
		return nil
	}
	wanted := policy.Session(q.session)
	if wanted == nil {
		a.outcome, a.session = abi.OutcomeUnknownSession, "unknown session"
		fate := "passed on to the host"
		if policy.DropUnknown {
			fate = "dropped"
		}
		a.say("session", "none: nothing is configured for %s, for vni %d of any source, or for any vni: %s", q.session, q.session.VNI, fate)
		return nil
	}
	why := fmt.Sprintf("the one for %s", q.session)
	switch {
	case wanted.AnyVNI:
		why = fmt.Sprintf("the default one, since none is for vni %d", q.session.VNI)
	case !wanted.Source.IsValid():
		why = fmt.Sprintf("the one for vni %d from any source, since none is for %s", q.session.VNI, q.session.Source)
	}
	a.session = "session without a name"
	if wanted.Name != "" {
		a.session = fmt.Sprintf("session %q", wanted.Name)
		why = fmt.Sprintf("%q, %s", wanted.Name, why)
	}
	a.say("session", "%s", why)
	return wanted
}

// explainFilter says which rule decides, and whether the packet is taken.
func explainFilter(a *answer, filter *mirror.Filter, q *question) bool {
	if filter == nil {
		a.say("filter", "none: everything is taken")
		return true
	}
	match := filter.Match(q.direction, &q.headers)
	if q.direction == abi.DirectionUnknown && match.Direction == abi.DirectionEgress {
		explainMatch(a, filter, filter.Match(abi.DirectionIngress, &q.headers))
	}
	explainMatch(a, filter, match)
	return match.Accept
}

func explainMatch(a *answer, filter *mirror.Filter, match mirror.Match) {
	rules := filter.Ingress
	if match.Direction == abi.DirectionEgress {
		rules = filter.Egress
	}
	if match.Index < 0 {
		a.rule = fmt.Sprintf("no %s rule matches", match.Direction)
		a.say("filter", "%q: none of %d %s rules matches", filter.Name, len(rules), match.Direction)
		return
	}
	rule := rules[match.Index]
	verb := "rejects"
	if match.Accept {
		verb = "accepts"
	}
	a.rule = fmt.Sprintf("%s rule %d %s", match.Direction, rule.Number, verb)
	words := strings.Fields(expression.Format([]mirror.Rule{rule}))[2:] // without number and verdict
	a.say("filter", "%q: %s: %s", filter.Name, a.rule, strings.Join(words, " "))
}

// explainSampling says whether the packet is kept. One in n packets is kept by
// their number, which only a judge knows who has seen those before.
func explainSampling(a *answer, sample mirror.Sampling, seed uint64, q *question, judged abi.Outcome) bool {
	isKept := judged != abi.OutcomeSampledOut
	words := map[bool]string{true: "kept", false: "left out"}
	switch {
	case sample.By == abi.SamplingByPacket && judged == abi.OutcomeMax:
		a.say("sampling", "1 in %d by packet: it depends on the packets before, here it is the first", sample.OneIn)
	case sample.By == abi.SamplingByPacket:
		a.say("sampling", "1 in %d by packet: %s", sample.OneIn, words[isKept])
	case sample.By == abi.SamplingByFlow && q.headers.Fragment == mirror.FragmentLater:
		a.say("sampling", "1 in %d by flow, that of its first fragment if it came before: %s", sample.OneIn, words[isKept])
	case sample.By == abi.SamplingByFlow:
		hash := q.headers.FlowHash(seed, q.frame)
		product := uint64(hash) * uint64(sample.OneIn) >> 32
		isKept = product == 0
		a.say("sampling", "1 in %d by flow: hash 0x%08x x %d / 2^32 is %d, and 0 is kept: %s", sample.OneIn, hash, sample.OneIn, product, words[isKept])
	}
	return isKept
}

func explainSnap(a *answer, snap mirror.Snap, q *question) {
	if !snap.Headers && snap.Bytes == 0 {
		return
	}
	what, length := "headers", q.headers.End
	if !snap.Headers {
		what, length = fmt.Sprintf("%d bytes", snap.Bytes), snap.Bytes
	}
	if q.arrived == 0 {
		a.say("snaplen", "%s", what)
		return
	}
	a.say("snaplen", "%s: %d of %d bytes", what, min(length, q.arrived), q.arrived)
}

func (e *explainer) outputNames(set mirror.OutputSet) (names []string) {
	for _, o := range e.config.Outputs {
		if set.Has(o.Slot) {
			names = append(names, o.Name)
		}
	}
	return names
}
