package mirror

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Check returns what is wrong with a filter, all of it joined: too many rules, rules
// out of order, rules that cannot be.
func (f *Filter) Check() error {
	return errors.Join(
		f.checkRules(abi.DirectionIngress, f.Ingress),
		f.checkRules(abi.DirectionEgress, f.Egress),
	)
}

func (f *Filter) checkRules(d abi.Direction, rules []Rule) error {
	var errs []error
	if n := len(rules); n > abi.LimitRules {
		errs = append(errs, fmt.Errorf("check filter %q: %d %s rules, at most %d are allowed", f.Name, n, d, abi.LimitRules))
	}
	last := 0
	for i := range rules {
		rule := &rules[i]
		err := rule.check()
		if rule.Number <= last {
			err = errors.Join(err, fmt.Errorf("it follows rule %d: numbers ascend from 1", last))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("check filter %q: %s rule %d: %w", f.Name, d, rule.Number, err))
		}
		last = rule.Number
	}
	return errors.Join(errs...)
}

// check returns what is wrong with a rule by itself.
func (r *Rule) check() error {
	return errors.Join(
		checkNetwork("source", r.Source),
		checkNetwork("destination", r.Destination),
		r.SourcePorts.check("source"),
		r.DestinationPorts.check("destination"),
	)
}

func checkNetwork(whose string, network netip.Prefix) error {
	if network != (netip.Prefix{}) && !network.IsValid() {
		return fmt.Errorf("%s is no network", whose)
	}
	return nil
}

func (p Ports) check(whose string) error {
	if p.Given && p.First > p.Last {
		return fmt.Errorf("%s ports %d to %d are none", whose, p.First, p.Last)
	}
	return nil
}
