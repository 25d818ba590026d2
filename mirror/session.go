package mirror

import "github.com/xdpeel/xdpeel/bpf/abi"

// session is what is remembered of one.
type session struct {
	account SessionAccount
	learns  bool // whether its packets teach it the interface's MAC
	mac     mac  // of the mirrored interface; zero: not known
}

// session returns the state of a session, its own or, once the table is full,
// the one that all later sessions share.
func (d *Decapsulator) session(key Session) *session {
	if known := d.sessions[key]; known != nil {
		return known
	}
	if len(d.sessions) == abi.LimitSessions-1 { // account 0 of the kernel's table is the shared one
		return &d.overflow
	}
	added := &session{learns: true}
	d.sessions[key] = added
	return added
}

func (s *session) count(in inner) {
	s.account.Packets++
	s.account.Bytes += uint64(in.arrived)
	if in.truncated {
		s.account.Truncated++
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
	return d.ledger
}
