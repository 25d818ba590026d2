package mirror

// Totals sums the accounts of sessions by what a policy wants of them: one account
// for each of its Sessions, in its order, and one of all sessions that it does not
// know, or that had no room in the judge's table.
func (l *Ledger) Totals(policy *Policy) (totals []SessionAccount, stray SessionAccount) {
	totals = make([]SessionAccount, len(policy.Sessions))
	places := make(map[*SessionPolicy]int, len(policy.Sessions))
	for i := range policy.Sessions {
		places[&policy.Sessions[i]] = i
		totals[i].Name = policy.Sessions[i].Name
	}
	wanted := newSessionIndex(policy)
	stray.Add(l.Overflow)
	for session, account := range l.Sessions {
		if known := wanted.find(session); known != nil {
			totals[places[known]].Add(account)
		} else {
			stray.Add(account)
		}
	}
	return totals, stray
}

// Add adds what another account has counted; the name stays.
func (a *SessionAccount) Add(more SessionAccount) {
	a.Packets += more.Packets
	a.Bytes += more.Bytes
	a.Truncated += more.Truncated
	a.Filtered += more.Filtered
	a.SampledOut += more.SampledOut
	a.Lost += more.Lost
	a.LastSeen = max(a.LastSeen, more.LastSeen)
}
