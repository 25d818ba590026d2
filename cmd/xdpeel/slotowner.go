package main

import (
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// owner returns the entry of the name that what the kernel counts for a slot belongs to.
func (r *register) owner(slot int) *entry {
	i := r.find(func(e *entry) bool { _, owns := e.Owned[slot]; return owns })
	if i < 0 {
		return nil
	}
	return r.entries[i]
}

// ownerName is the name that what the kernel counts for a slot belongs to, "" if to none.
func (r *register) ownerName(slot int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.owner(slot); e != nil {
		return e.Name
	}
	return ""
}

// own gives what is counted for a slot from now on to a name; counted is what was
// until now.
func (r *register) own(slot int, name string, counted mirror.OutputAccount) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.owner(slot)
	if before != nil && before.Name == name {
		return
	}
	if before != nil {
		addSince(&before.Kernel, before.Owned[slot], counted)
		delete(before.Owned, slot)
	}
	r.entryOf(name).Owned[slot] = counted
	r.commit()
}

// addSince adds to an account what was counted for a slot since its name got it: before
// is what had been counted until then. A packet that was held to be lost on its way may
// have come since.
func addSince(account *mirror.OutputAccount, before, counted mirror.OutputAccount) {
	offered := counted.Offered - before.Offered
	account.Offered += offered
	for reason, n := range counted.Lost {
		if n > before.Lost[reason] {
			account.Lose(reason, n-before.Lost[reason])
			offered -= n - before.Lost[reason]
		}
	}
	account.Delivered += offered
}

// addTo adds to accounts, by name, what earlier daemons' outputs had, and what the
// kernel has counted, if counted says that.
func (r *register) addTo(sum map[string]*mirror.OutputAccount, counted *loader.SlotAccounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		if e == nil {
			continue
		}
		account := accountOf(sum, e.Name)
		add(account, e.book.Before())
		add(account, e.Kernel)
		for slot, before := range e.Owned {
			if counted != nil {
				addSince(account, before, counted[slot])
			}
		}
	}
}
