package main

import (
	"maps"
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// slotOwner is the name that what the kernel counts for a slot belongs to.
type slotOwner struct {
	name   string
	before mirror.OutputAccount // of the slot when the name got it
}

// withUnclaimed adds what came for a slot when nobody had it: the pump cannot quite
// know that no CPU holds a packet back.
func (s *outputs) withUnclaimed(counted *loader.SlotAccounts) *loader.SlotAccounts {
	if counted == nil {
		return nil
	}
	sum := *counted
	for slot, n := range s.backlog.Unclaimed() {
		if n > 0 {
			sum[slot].Lost = maps.Clone(sum[slot].Lost)
			sum[slot].Offered += n
			sum[slot].Lose(mirror.LossOutputClosed, n)
		}
	}
	return &sum
}

// own gives what is counted for a slot from now on to a name; counted is what was
// until now.
func (s *outputs) own(slot int, name string, counted mirror.OutputAccount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := &s.owners[slot]
	if owner.name == name {
		return
	}
	if owner.name != "" {
		owner.settle(accountOf(s.past, owner.name), counted)
	}
	*owner = slotOwner{name, counted}
}

// settle adds to an account what was counted for the slot since the name got it. A
// packet that was held to be lost on its way may have come since.
func (o *slotOwner) settle(account *mirror.OutputAccount, counted mirror.OutputAccount) {
	offered := counted.Offered - o.before.Offered
	account.Offered += offered
	for reason, n := range counted.Lost {
		if n > o.before.Lost[reason] {
			account.Lose(reason, n-o.before.Lost[reason])
			offered -= n - o.before.Lost[reason]
		}
	}
	account.Delivered += offered
}

// bury keeps the account of a closed output.
func (s *outputs) bury(o output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.closing, o)
	add(accountOf(s.past, o.settings().Name), o.account())
}

// userAccounts are those of all outputs there ever were, by name, without what the
// kernel says of their slots.
func (s *outputs) userAccounts() map[string]*mirror.OutputAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sumUsers()
}

func (s *outputs) slotOwners() [abi.LimitOutputs]slotOwner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owners
}

// accounts are those of all outputs there ever were, by name; counted is what the
// kernel says of their slots.
func (s *outputs) accounts(counted *loader.SlotAccounts) map[string]*mirror.OutputAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.sumUsers()
	counted = s.withUnclaimed(counted)
	for slot, owner := range s.owners {
		if owner.name != "" {
			owner.settle(accountOf(sum, owner.name), counted[slot])
		}
	}
	return sum
}

func (s *outputs) sumUsers() map[string]*mirror.OutputAccount {
	sum := make(map[string]*mirror.OutputAccount)
	for name, account := range s.past {
		add(accountOf(sum, name), *account)
	}
	for _, o := range slices.Concat(s.table.Load()[:], slices.Collect(maps.Keys(s.closing))) {
		if o != nil {
			add(accountOf(sum, o.settings().Name), o.account())
		}
	}
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
