package main

import (
	"maps"
	"slices"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// bury keeps the account of a closed output.
func (s *outputs) bury(o output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.closing, o)
	add(accountOf(s.past, o.settings().Name), o.account())
}

// accounts are those of all outputs there ever were, by name; counted is what the
// kernel says of their slots.
func (s *outputs) accounts(counted *loader.SlotAccounts) map[string]*mirror.OutputAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := make(map[string]*mirror.OutputAccount)
	for name, account := range s.past {
		add(accountOf(sum, name), *account)
	}
	for _, o := range slices.Concat(s.table.Load()[:], slices.Collect(maps.Keys(s.closing))) {
		if o != nil {
			add(accountOf(sum, o.settings().Name), o.account())
		}
	}
	s.register.addTo(sum, counted)
	return sum
}

func accountOf(accounts map[string]*mirror.OutputAccount, name string) *mirror.OutputAccount {
	if accounts[name] == nil {
		accounts[name] = &mirror.OutputAccount{Lost: make(map[mirror.Loss]uint64)}
	}
	return accounts[name]
}

func add(to *mirror.OutputAccount, more mirror.OutputAccount) {
	to.Offered += more.Offered
	to.Delivered += more.Delivered
	for reason, n := range more.Lost {
		to.Lose(reason, n)
	}
	to.Readers = append(to.Readers, more.Readers...)
}

// failures are the outputs that take no packets, and why.
func (s *outputs) failures() map[string]string {
	failures := make(map[string]string)
	for _, o := range s.table.Load() {
		if o == nil {
			continue
		}
		if failure := o.why(); failure != nil {
			failures[o.settings().Name] = failure.Error()
		}
	}
	return failures
}

// writesOf are the durations of an output's writes, which outlast a reload as its
// account does.
func (s *outputs) writesOf(name string) *export.Durations {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes[name] == nil {
		s.writes[name] = new(export.Durations)
	}
	return s.writes[name]
}

// readings tell how the outputs in effect do, by name.
func (s *outputs) readings() map[string]export.OutputReading {
	readings := make(map[string]export.OutputReading)
	for _, o := range s.table.Load() {
		if o != nil {
			readings[o.settings().Name] = o.reading()
		}
	}
	return readings
}
