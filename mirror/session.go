package mirror

import "github.com/xdpeel/xdpeel/bpf/abi"

// session is what is remembered of one.
type session struct {
	wanted  *SessionPolicy // nil: it is unknown by now. Of the shared state always nil
	account SessionAccount
	sampler Sampler
	learns  bool // whether its packets teach it the interface's MAC
	mac     mac  // of the mirrored interface, as learned; zero: not known
}

// session returns the state of a session and what is wanted of it, nil if it is
// unknown. The state is the session's own or, once the table is full, the one that
// all later sessions share.
func (d *Decapsulator) session(key Session) (*session, *SessionPolicy) {
	if known := d.sessions[key]; known != nil {
		return known, known.wanted
	}
	wanted := d.wanted.find(key)
	if wanted == nil {
		return nil, nil
	}
	if len(d.sessions) == abi.LimitSessions-1 { // account 0 of the kernel's table is the shared one
		return &d.overflow, wanted
	}
	added := &session{wanted: wanted, learns: true}
	d.sessions[key] = added
	return added, wanted
}

func (s *session) count(in inner, outcome abi.Outcome) {
	s.account.Packets++
	s.account.Bytes += uint64(in.arrived)
	if in.truncated {
		s.account.Truncated++
	}
	switch outcome {
	case abi.OutcomeFiltered:
		s.account.Filtered++
	case abi.OutcomeSampledOut:
		s.account.SampledOut++
	}
}

// Ledger returns the counts so far. It is the same ledger on every call: what
// the caller sets in it (interface, mode, outputs) stays.
func (d *Decapsulator) Ledger() *Ledger {
	for key, session := range d.sessions {
		account := session.account
		account.Name = d.ledger.Sessions[key].Name
		d.ledger.Sessions[key] = account
	}
	d.ledger.Overflow = d.overflow.account
	d.ledger.Strangers = d.strangers.accounts()
	return d.ledger
}
