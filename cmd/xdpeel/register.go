package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// register says who has which book, and how many packets its output was offered. It is
// noted for the daemon after this one whenever it changes, all of it at once: how many
// packets were taken for a slot is kept apart, so that a packet changes nothing here.
//
// A register has a lock of its own, and may be asked while others are held.
type register struct {
	log   *slog.Logger
	books *books.Set
	note  func(text []byte) error // keeps it

	mu      sync.Mutex
	entries [abi.LimitBooks]*entry // by the index of the book
	failed  bool                   // the last could not be noted, and that was said
}

// entry is what is known of a name. Its book has what became of the packets.
type entry struct {
	Name    string         `json:"name"`
	Slot    int            `json:"slot"`    // that it has, or had last; -1: it has had none
	Offered uint64         `json:"offered"` // packets, before its tenures
	Tenures map[int]tenure `json:"tenures"` // by slot
	// Owned is what the kernel had counted for slots when the name got them, whose
	// countings are its own since; Kernel is what it had by those that another has now.
	Owned  map[int]mirror.OutputAccount `json:"owned"`
	Kernel mirror.OutputAccount         `json:"kernel"`

	book *books.Book
}

// tenure is the time in which all packets for a slot are offered to a name.
type tenure struct {
	From  uint64 `json:"from"`  // packets for the slot that there were before
	Times uint64 `json:"times"` // how often each is offered: once to each reader
}

func newRegister(set *books.Set, note func([]byte) error, log *slog.Logger) *register {
	return &register{books: set, note: note, log: log}
}

// readRegister reads what a daemon has noted.
func readRegister(text []byte) (entries []*entry, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("read what an earlier daemon noted of its outputs: %w", err)
	}
	return entries, nil
}

// slotsOf are the slots of those entries whose names have one.
func slotsOf(entries []*entry) map[string]int {
	slots := make(map[string]int)
	for _, e := range entries {
		if e != nil && e.has(e.Slot) {
			slots[e.Name] = e.Slot
		}
	}
	return slots
}

func (e *entry) has(slot int) bool {
	_, has := e.Tenures[slot]
	return has
}

// offered is how many packets the name was offered, of all that were taken.
func (e *entry) offered(taken mirror.SlotCounts) uint64 {
	sum := e.Offered
	for slot, t := range e.Tenures {
		sum += (taken[slot] - t.From) * t.Times
	}
	return sum
}

// restore goes on where an earlier daemon was, that had taken so many packets.
func (r *register) restore(entries []*entry, taken mirror.SlotCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range entries[:min(len(entries), len(r.entries))] {
		if e == nil {
			continue
		}
		e.book = r.books.Take(i)
		e.book.Inherit(e.offered(taken))
		r.entries[i] = e
	}
}

// book returns the book of a name.
func (r *register) book(name string) *books.Book {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entryOf(name).book
}

// entryOf returns the entry of a name: a new one, if it has none.
func (r *register) entryOf(name string) *entry {
	if i := r.find(func(e *entry) bool { return e.Name == name }); i >= 0 {
		return r.entries[i]
	}
	book, index, full := r.books.New()
	if full { // a name that is gone makes room: there are more books than slots
		r.drop(r.find(func(e *entry) bool { return len(e.Owned) == 0 }))
		book, index, _ = r.books.New()
	}
	e := &entry{Name: name, Slot: -1, Tenures: make(map[int]tenure), Owned: make(map[int]mirror.OutputAccount), book: book}
	r.entries[index] = e
	return e
}

// find returns the index of an entry, -1 if there is none such.
func (r *register) find(is func(*entry) bool) int {
	return slices.IndexFunc(r.entries[:], func(e *entry) bool { return e != nil && is(e) })
}

func (r *register) drop(index int) {
	r.entries[index] = nil
	r.books.Drop(index)
}

// assign returns what is to be done when the packets for a slot become a name's.
func (r *register) assign(name string, slot int) func(published mirror.SlotCounts) {
	return func(published mirror.SlotCounts) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.give(r.entryOf(name), slot, published)
		r.commit()
	}
}

// give ends the tenure of a slot, and begins another's.
func (r *register) give(to *entry, slot int, published mirror.SlotCounts) {
	for _, e := range r.entries {
		if e != nil && e.has(slot) {
			t := e.Tenures[slot]
			e.Offered += (published[slot] - t.From) * t.Times
			delete(e.Tenures, slot)
		}
	}
	if to != nil {
		to.Tenures[slot] = tenure{published[slot], 1}
		to.Slot = slot
	}
}

// withdraw returns what is to be done when a slot is again whose it was, since a
// configuration could not be put into effect.
func (r *register) withdraw(slot int) func(published mirror.SlotCounts) {
	return func(published mirror.SlotCounts) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.give(r.owner(slot), slot, published)
		r.commit()
	}
}

// share returns what is to be done when the packets for a slot are offered to a name
// so many times.
func (r *register) share(name string, slot, times int) func(published mirror.SlotCounts) {
	return func(published mirror.SlotCounts) {
		r.mu.Lock()
		defer r.mu.Unlock()
		e := r.entryOf(name)
		t, ok := e.Tenures[slot]
		if !ok { // it has the slot in a moment
			return
		}
		e.Offered += (published[slot] - t.From) * t.Times
		e.Tenures[slot] = tenure{published[slot], uint64(max(times, 1))}
		r.commit()
	}
}

// prune forgets names that have never had a packet, nor a slot.
func (r *register) prune() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.entries {
		if e != nil && len(e.Tenures) == 0 && len(e.Owned) == 0 && e.Offered == 0 && e.Kernel.Offered == 0 && e.book.Before().Offered == 0 {
			r.drop(i)
		}
	}
	r.commit()
}

// orphaned counts packets for a slot whose output is closed already.
func (r *register) orphaned(slot int, packets uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.find(func(e *entry) bool { return e.has(slot) }); i >= 0 {
		r.entries[i].book.Add(mirror.LossOutputClosed, packets)
	}
}

// leaveBehind counts packets that a name has lost which were never taken.
func (r *register) leaveBehind(name string, packets uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entryOf(name)
	e.Offered += packets
	r.commit()
	e.book.Add(mirror.LossLeftBehind, packets)
}

// commit notes the register.
func (r *register) commit() {
	used := len(r.entries)
	for used > 0 && r.entries[used-1] == nil {
		used--
	}
	text, err := json.Marshal(r.entries[:used])
	if err == nil && r.note != nil {
		err = r.note(text)
	}
	if err != nil && !r.failed {
		r.log.Error("accounts would not outlive this daemon", "error", err, "hint", "shorter names for the outputs leave more room")
	}
	r.failed = err != nil
}
