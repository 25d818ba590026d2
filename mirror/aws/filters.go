package aws

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/xdpeel/xdpeel/mirror"
)

// Filter is a traffic mirror filter.
type Filter struct {
	ID          string
	Name        string         // of the tag Name; may be empty
	Description string         // may be empty
	Rules       *mirror.Filter // its name is the ID
	// Descriptions are those of the rules, in the order of Rules; may be empty.
	IngressDescriptions []string
	EgressDescriptions  []string
	// Services are network services that AWS mirrors whatever the rules say, in both
	// directions. The only one there is, "amazon-dns", is what goes to and comes from
	// the DNS resolver of the VPC. The JSON has no rule for it, and so Rules have none:
	// judged by them, such packets are taken only if one of the rules accepts them.
	Services []string
}

type filterForm struct {
	TrafficMirrorFilterId string
	IngressFilterRules    []ruleForm
	EgressFilterRules     []ruleForm
	NetworkServices       []string
	Description           string
	Tags                  []tag
}

type ruleForm struct {
	RuleNumber           int // from 1
	RuleAction           string
	TrafficDirection     string
	Protocol             *int // absent or -1: any
	SourcePortRange      *portRangeForm
	DestinationPortRange *portRangeForm
	SourceCidrBlock      string // absent: any
	DestinationCidrBlock string
	Description          string
}

type portRangeForm struct{ FromPort, ToPort int }

// ReadFilters reads what `aws ec2 describe-traffic-mirror-filters` prints, in its
// order. Of an input that is JSON all errors come joined, each with filter, direction
// and rule number.
func ReadFilters(r io.Reader) ([]Filter, error) {
	forms, err := readPages(r, "describe-traffic-mirror-filters", func(p *page) []filterForm { return p.TrafficMirrorFilters })
	if err != nil {
		return nil, err
	}
	return readEach(forms, "filter", (*filterForm).filter, func(f *Filter) string { return f.ID })
}

func (f *filterForm) filter() (Filter, error) {
	if f.TrafficMirrorFilterId == "" {
		return Filter{}, errors.New("read filter: it has no TrafficMirrorFilterId")
	}
	filter := Filter{
		ID: f.TrafficMirrorFilterId, Name: nameOf(f.Tags), Description: f.Description,
		Rules:    &mirror.Filter{Name: f.TrafficMirrorFilterId},
		Services: f.NetworkServices,
	}
	var ingressErr, egressErr error
	filter.Rules.Ingress, filter.IngressDescriptions, ingressErr = rules(f, "ingress", f.IngressFilterRules)
	filter.Rules.Egress, filter.EgressDescriptions, egressErr = rules(f, "egress", f.EgressFilterRules)
	return filter, errors.Join(ingressErr, egressErr)
}

// rules reads the rules of one direction and puts them in ascending order.
func rules(f *filterForm, direction string, forms []ruleForm) ([]mirror.Rule, []string, error) {
	slices.SortStableFunc(forms, func(a, b ruleForm) int { return cmp.Compare(a.RuleNumber, b.RuleNumber) })
	rules := make([]mirror.Rule, 0, len(forms))
	descriptions := make([]string, 0, len(forms))
	var errs []error
	for i := range forms {
		rule, err := forms[i].rule(direction)
		if i > 0 && forms[i-1].RuleNumber == rule.Number {
			err = errors.Join(err, errors.New("the number is there twice"))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("filter %s, %s rule %d: %w", f.TrafficMirrorFilterId, direction, forms[i].RuleNumber, err))
		}
		rules, descriptions = append(rules, rule), append(descriptions, forms[i].Description)
	}
	return rules, descriptions, errors.Join(errs...)
}

// rule reads one rule, and says the first thing that is wrong with it.
func (f *ruleForm) rule(direction string) (rule mirror.Rule, err error) {
	rule.Number = f.RuleNumber
	if f.RuleNumber < 1 {
		return rule, errors.New("it has no RuleNumber from 1")
	}
	if f.TrafficDirection != "" && f.TrafficDirection != direction {
		return rule, fmt.Errorf("its TrafficDirection is %q", f.TrafficDirection)
	}
	switch f.RuleAction {
	case "accept":
		rule.Accept = true
	case "reject":
	default:
		return rule, fmt.Errorf("its RuleAction %q is not accept or reject", f.RuleAction)
	}
	if f.Protocol != nil && *f.Protocol != -1 {
		if *f.Protocol < 0 || *f.Protocol > 255 {
			return rule, fmt.Errorf("its Protocol %d is not a protocol number", *f.Protocol)
		}
		rule.Protocol = mirror.Protocol{Number: uint8(*f.Protocol), Given: true}
	}
	if rule.Source, err = network("SourceCidrBlock", f.SourceCidrBlock); err != nil {
		return rule, err
	}
	if rule.Destination, err = network("DestinationCidrBlock", f.DestinationCidrBlock); err != nil {
		return rule, err
	}
	if rule.SourcePorts, err = ports("SourcePortRange", f.SourcePortRange); err != nil {
		return rule, err
	}
	if rule.DestinationPorts, err = ports("DestinationPortRange", f.DestinationPortRange); err != nil {
		return rule, err
	}
	return rule, agree(rule)
}

// agree refuses what no packet could match.
func agree(rule mirror.Rule) error {
	if rule.Source.IsValid() && rule.Destination.IsValid() && rule.Source.Addr().Is4() != rule.Destination.Addr().Is4() {
		return fmt.Errorf("%s and %s are not of one IP version", rule.Source, rule.Destination)
	}
	namesPorts := rule.SourcePorts.Given || rule.DestinationPorts.Given
	if namesPorts && rule.Protocol.Given && !mirror.HasPorts(rule.Protocol.Number) {
		return fmt.Errorf("it names ports, which protocol %d does not have", rule.Protocol.Number)
	}
	return nil
}

// network reads a CIDR block. Bits behind the prefix do not count.
func network(field, text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("its %s %q is not a CIDR block", field, text)
	}
	return prefix.Masked(), nil
}

// ports reads a port range; the full one is any.
func ports(field string, r *portRangeForm) (mirror.Ports, error) {
	if r == nil || *r == (portRangeForm{0, 65535}) {
		return mirror.Ports{}, nil
	}
	if r.FromPort < 0 || r.FromPort > r.ToPort || r.ToPort > 65535 {
		return mirror.Ports{}, fmt.Errorf("its %s %d-%d is not a range within 0 to 65535", field, r.FromPort, r.ToPort)
	}
	return mirror.Ports{First: uint16(r.FromPort), Last: uint16(r.ToPort), Given: true}, nil
}
