package mirror

import (
	"encoding/json"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// ledgerForm is the JSON of a ledger.
type ledgerForm struct {
	Interface string                    `json:"interface"`
	Mode      string                    `json:"mode"`
	Received  uint64                    `json:"received"`
	Outcomes  map[string]uint64         `json:"outcomes"`
	Sessions  []sessionForm             `json:"sessions"`
	Overflow  *accountForm              `json:"sessions_overflow,omitempty"`
	Outputs   map[string]*OutputAccount `json:"outputs"`
	Strangers []strangerForm            `json:"unknown_sessions,omitempty"`
}

type sessionForm struct {
	VNI    uint32 `json:"vni"`
	Source string `json:"source"`
	Name   string `json:"name"`
	accountForm
}

type accountForm struct {
	Packets    uint64 `json:"packets"`
	Bytes      uint64 `json:"bytes"`
	Truncated  uint64 `json:"truncated"`
	Filtered   uint64 `json:"filtered"`
	SampledOut uint64 `json:"sampled_out"`
	LastSeen   string `json:"last_seen,omitempty"`
}

type strangerForm struct {
	VNI      uint32 `json:"vni"`
	Source   string `json:"source"`
	Packets  uint64 `json:"packets"`
	Bytes    uint64 `json:"bytes"`
	Denied   uint64 `json:"denied"`
	LastSeen string `json:"last_seen,omitempty"`
}

// MarshalJSON writes the form that --ledger and `status --json` share: every
// outcome that exists is listed, zero or not.
func (l *Ledger) MarshalJSON() ([]byte, error) {
	form := ledgerForm{
		Interface: l.Interface, Mode: l.Mode, Received: l.Received,
		Outcomes: make(map[string]uint64), Sessions: []sessionForm{}, Outputs: l.Outputs,
	}
	for outcome, n := range l.Outcomes {
		form.Outcomes[abi.Outcome(outcome).String()] = n
	}
	for _, key := range l.SortedSessions() {
		account := l.Sessions[key]
		form.Sessions = append(form.Sessions, sessionForm{key.VNI, key.Source.String(), account.Name, account.form()})
	}
	if l.Overflow.Packets > 0 {
		overflow := l.Overflow.form()
		form.Overflow = &overflow
	}
	for _, s := range l.BusiestStrangers() {
		form.Strangers = append(form.Strangers, strangerForm{
			s.Session.VNI, s.Session.Source.String(), s.Packets(), s.Bytes, s.Denied, timeForm(s.LastSeen)})
	}
	return json.Marshal(form)
}

func (a SessionAccount) form() accountForm {
	return accountForm{a.Packets, a.Bytes, a.Truncated, a.Filtered, a.SampledOut, timeForm(a.LastSeen)}
}

// timeForm returns the RFC 3339 form, to the millisecond, of nanoseconds since the
// Unix epoch; 0 has none.
func timeForm(nanoseconds int64) string {
	if nanoseconds == 0 {
		return ""
	}
	return time.Unix(0, nanoseconds).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
