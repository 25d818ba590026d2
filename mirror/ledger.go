package mirror

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Loss says why an output did not take a packet that it was offered.
type Loss string

// The losses of user space; those of the kernel are abi.RingLoss.
const (
	LossDiskFull     Loss = "disk_full"     // no space left where the file is
	LossWriteError   Loss = "write_error"   // the file, pipe or terminal took no more
	LossLimitReached Loss = "limit_reached" // it came after the last packet that was asked for
)

// Ledger says what became of every frame that arrived. Its sums hold exactly:
// Received is the sum of Outcomes, and an output's Offered is its Delivered and
// the sum of its Lost.
type Ledger struct {
	Interface string
	Mode      string // "native", "generic" or, of a capture file, "offline"
	Received  uint64 // frames, counted on their own and not summed
	Outcomes  [abi.OutcomeMax]uint64
	Sessions  map[Session]SessionAccount
	// Overflow is the account of all sessions that came after the table was full.
	Overflow SessionAccount
	Outputs  map[string]*OutputAccount
}

// SessionAccount counts what arrived of one session.
type SessionAccount struct {
	Name      string // as configured
	Packets   uint64
	Bytes     uint64 // of inner frames as they arrived
	Truncated uint64 // packets that the mirror session had cut
	Lost      uint64 // packets that no output received, for want of room in the ring
}

// OutputAccount counts what one output was offered and what became of it.
type OutputAccount struct {
	Offered   uint64          `json:"offered"`
	Delivered uint64          `json:"delivered"`
	Lost      map[Loss]uint64 `json:"lost"`
}

// NewLedger returns a ledger with nothing in it.
func NewLedger(iface, mode string) *Ledger {
	return &Ledger{
		Interface: iface, Mode: mode,
		Sessions: make(map[Session]SessionAccount),
		Outputs:  make(map[string]*OutputAccount),
	}
}

// Lose counts n packets as lost by an output.
func (a *OutputAccount) Lose(reason Loss, n uint64) {
	if n == 0 {
		return
	}
	if a.Lost == nil {
		a.Lost = make(map[Loss]uint64)
	}
	a.Lost[reason] += n
}

// SortedSessions returns the sessions in order of VNI, then of source.
func (l *Ledger) SortedSessions() []Session {
	sessions := make([]Session, 0, len(l.Sessions))
	for session := range l.Sessions {
		sessions = append(sessions, session)
	}
	slices.SortFunc(sessions, func(a, b Session) int {
		return cmp.Or(cmp.Compare(a.VNI, b.VNI), a.Source.Compare(b.Source))
	})
	return sessions
}

// MarshalJSON writes the form that --ledger and `status --json` share: every
// outcome that exists is listed, zero or not.
func (l *Ledger) MarshalJSON() ([]byte, error) {
	type session struct {
		VNI       uint32 `json:"vni"`
		Source    string `json:"source"`
		Name      string `json:"name"`
		Packets   uint64 `json:"packets"`
		Bytes     uint64 `json:"bytes"`
		Truncated uint64 `json:"truncated"`
	}
	type overflow struct {
		Packets   uint64 `json:"packets"`
		Bytes     uint64 `json:"bytes"`
		Truncated uint64 `json:"truncated"`
	}
	form := struct {
		Interface string                    `json:"interface"`
		Mode      string                    `json:"mode"`
		Received  uint64                    `json:"received"`
		Outcomes  map[string]uint64         `json:"outcomes"`
		Sessions  []session                 `json:"sessions"`
		Overflow  *overflow                 `json:"sessions_overflow,omitempty"`
		Outputs   map[string]*OutputAccount `json:"outputs"`
	}{
		Interface: l.Interface, Mode: l.Mode, Received: l.Received,
		Outcomes: make(map[string]uint64), Sessions: []session{}, Outputs: l.Outputs,
	}
	for outcome, n := range l.Outcomes {
		form.Outcomes[abi.Outcome(outcome).String()] = n
	}
	for _, key := range l.SortedSessions() {
		a := l.Sessions[key]
		form.Sessions = append(form.Sessions, session{key.VNI, key.Source.String(), a.Name, a.Packets, a.Bytes, a.Truncated})
	}
	if o := l.Overflow; o.Packets > 0 {
		form.Overflow = &overflow{o.Packets, o.Bytes, o.Truncated}
	}
	return json.Marshal(form)
}
