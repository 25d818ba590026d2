package mirror

import (
	"cmp"
	"container/list"
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
)

// Stranger counts what arrived of a session that the policy does not know, or
// whose source it does not allow: who to configure, or to ask.
type Stranger struct {
	Session  Session
	Unknown  uint64 // packets of outcome unknown_session
	Denied   uint64 // packets of outcome denied_source
	Bytes    uint64 // of inner frames as they arrived, of both
	LastSeen int64  // of the last packet, in nanoseconds since the Unix epoch; 0: unknown
}

// Packets returns how many packets came, unknown and denied.
func (s Stranger) Packets() uint64 { return s.Unknown + s.Denied }

// sortStrangers puts the busiest first, and those of as many packets in order of
// VNI, then of source.
func sortStrangers(accounts []Stranger) {
	slices.SortFunc(accounts, func(a, b Stranger) int {
		return cmp.Or(cmp.Compare(b.Packets(), a.Packets()), a.Session.compare(b.Session))
	})
}

// strangers are the last abi.LimitStrangers of them.
type strangers struct {
	known map[Session]*list.Element // of order
	order *list.List                // of *Stranger, the latest seen first
}

func newStrangers() strangers {
	return strangers{known: make(map[Session]*list.Element), order: list.New()}
}

// see returns the account of a stranger that has come by.
func (s strangers) see(session Session) *Stranger {
	if known := s.known[session]; known != nil {
		s.order.MoveToFront(known)
		return known.Value.(*Stranger)
	}
	if s.order.Len() == abi.LimitStrangers {
		forgotten := s.order.Remove(s.order.Back()).(*Stranger)
		delete(s.known, forgotten.Session)
	}
	added := &Stranger{Session: session}
	s.known[session] = s.order.PushFront(added)
	return added
}

// accounts returns what is known of all, the busiest first.
func (s strangers) accounts() []Stranger {
	var accounts []Stranger
	for element := s.order.Front(); element != nil; element = element.Next() {
		accounts = append(accounts, *element.Value.(*Stranger))
	}
	sortStrangers(accounts)
	return accounts
}
