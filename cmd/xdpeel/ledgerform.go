package main

import (
	"net/netip"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// ledgerForm is the ledger's JSON, as mirror.Ledger writes it, to be read.
type ledgerForm struct {
	Interface string                           `json:"interface"`
	Mode      string                           `json:"mode"`
	Received  uint64                           `json:"received"`
	Outcomes  map[string]uint64                `json:"outcomes"`
	Sessions  []sessionForm                    `json:"sessions"`
	Overflow  sessionForm                      `json:"sessions_overflow"`
	Outputs   map[string]*mirror.OutputAccount `json:"outputs"`
	Unknown   []sessionForm                    `json:"unknown_sessions"`
}

// sessionForm is of a session or an unknown one, which differ in what they leave out.
type sessionForm struct {
	VNI        uint32     `json:"vni"`
	Source     netip.Addr `json:"source"`
	Name       string     `json:"name"`
	Packets    uint64     `json:"packets"`
	Bytes      uint64     `json:"bytes"`
	Truncated  uint64     `json:"truncated"`
	Filtered   uint64     `json:"filtered"`
	SampledOut uint64     `json:"sampled_out"`
	Denied     uint64     `json:"denied"`
	LastSeen   time.Time  `json:"last_seen"`
}

// ledger returns what the form says. An outcome that this version does not know is
// left out.
func (f *ledgerForm) ledger() *mirror.Ledger {
	ledger := mirror.NewLedger(f.Interface, f.Mode)
	ledger.Received, ledger.Outputs, ledger.Overflow = f.Received, f.Outputs, f.Overflow.account()
	for outcome := range abi.OutcomeMax {
		ledger.Outcomes[outcome] = f.Outcomes[outcome.String()]
	}
	for i := range f.Sessions {
		ledger.Sessions[f.Sessions[i].key()] = f.Sessions[i].account()
	}
	for i := range f.Unknown {
		s := &f.Unknown[i]
		ledger.Strangers = append(ledger.Strangers, mirror.Stranger{
			Session: s.key(), Unknown: s.Packets - s.Denied, Denied: s.Denied, Bytes: s.Bytes, LastSeen: s.lastSeen(),
		})
	}
	return ledger
}

func (s *sessionForm) key() mirror.Session { return mirror.Session{VNI: s.VNI, Source: s.Source} }

func (s *sessionForm) account() mirror.SessionAccount {
	return mirror.SessionAccount{
		Name: s.Name, Packets: s.Packets, Bytes: s.Bytes, Truncated: s.Truncated,
		Filtered: s.Filtered, SampledOut: s.SampledOut, LastSeen: s.lastSeen(),
	}
}

func (s *sessionForm) lastSeen() int64 {
	if s.LastSeen.IsZero() {
		return 0
	}
	return s.LastSeen.UnixNano()
}
