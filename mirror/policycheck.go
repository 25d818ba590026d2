package mirror

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Check returns what is wrong with a policy, all of it joined: a limit of abi that
// is exceeded, a value that cannot be, two policies for one session. Each error says
// which session or which filter and rule it is about.
func (p *Policy) Check() error {
	var errs []error
	if n := len(p.Sessions); n > abi.LimitSessions {
		errs = append(errs, fmt.Errorf("check policy: %d sessions, at most %d are allowed", n, abi.LimitSessions))
	}
	if n := len(p.AllowSources); n > abi.LimitRules {
		errs = append(errs, fmt.Errorf("check policy: %d allowed sources, at most %d are allowed", n, abi.LimitRules))
	}
	for _, network := range p.AllowSources {
		if err := checkSourceNetwork(network); err != nil {
			errs = append(errs, fmt.Errorf("check policy: allowed source %s: %w", network, err))
		}
	}
	return errors.Join(append(errs, p.checkSessions(), p.checkFilters())...)
}

// checkSourceNetwork refuses what no outer source can be in.
func checkSourceNetwork(network netip.Prefix) error {
	switch {
	case !network.IsValid():
		return errors.New("no network")
	case network.Masked().Addr().Is4In6():
		return errors.New("an IPv4-mapped network holds no source; name the IPv4 network")
	}
	return nil
}

func (p *Policy) checkSessions() error {
	var errs []error
	type key struct {
		any bool
		Session
	}
	seen := make(map[key]bool, len(p.Sessions))
	for i := range p.Sessions {
		s := &p.Sessions[i]
		if err := errors.Join(s.check(), p.checkVeths(s)); err != nil {
			errs = append(errs, err)
		}
		key := key{s.AnyVNI, Session{s.VNI, s.Source.Unmap()}}
		if seen[key] {
			errs = append(errs, fmt.Errorf("check session %s: it is there twice", s))
		}
		seen[key] = true
	}
	return errors.Join(errs...)
}

// checkVeths returns what is wrong with a session's share of the veths.
func (p *Policy) checkVeths(s *SessionPolicy) error {
	if n := len(p.VethsOf(s).Slots()); n > abi.LimitShares {
		return fmt.Errorf("check session %s: %d veths, at most %d are allowed", s, n, abi.LimitShares)
	}
	if s.VLAN > MaxVLAN {
		return fmt.Errorf("check session %s: vlan %d is more than %d", s, s.VLAN, MaxVLAN)
	}
	return nil
}

// checkFilters checks each filter once, however many sessions have it.
func (p *Policy) checkFilters() error {
	var errs []error
	seen := make(map[*Filter]bool)
	for i := range p.Sessions {
		filter := p.Sessions[i].Filter
		if filter == nil || seen[filter] {
			continue
		}
		seen[filter] = true
		errs = append(errs, filter.Check())
	}
	return errors.Join(errs...)
}

// check returns what is wrong with the policy of one session, but for its filter.
func (s *SessionPolicy) check() error {
	var errs []error
	complain := func(err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("check session %s: %w", s, err))
		}
	}
	switch {
	case s.AnyVNI && (s.VNI != 0 || s.Source.IsValid()):
		complain(errors.New("the default session has no vni and no source"))
	case s.VNI > MaxVNI:
		complain(fmt.Errorf("vni %d is more than 24 bits", s.VNI))
	}
	if s.Source.Zone() != "" {
		complain(errors.New("a source has no zone"))
	}
	if address := mac(s.MAC); address != (mac{}) && !address.isInterface() {
		complain(fmt.Errorf("mac %x is a group's, and no interface's", s.MAC))
	}
	complain(s.Sample.check())
	complain(s.Snap.check())
	return errors.Join(errs...)
}

// check returns what is wrong with a sampling.
func (s Sampling) check() error {
	switch s.By {
	case abi.SamplingNone:
		return nil
	case abi.SamplingByPacket, abi.SamplingByFlow:
		if s.OneIn == 0 {
			return errors.New("check sampling: one in 0 is none; from 1")
		}
		return nil
	}
	return fmt.Errorf("check sampling: %s is unknown", s.By)
}

// check returns what is wrong with a snap length.
func (s Snap) check() error {
	if s.Bytes == 0 {
		return nil
	}
	return checkSnapLength(s.Bytes)
}
