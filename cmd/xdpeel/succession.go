package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// outputNote is what a daemon leaves to the next about the output in a slot, so that
// its account goes on. (A daemon that is killed has left what was so half a second
// before: checkInterval.)
type outputNote struct {
	Name    string               `json:"name"`
	Account mirror.OutputAccount `json:"account"` // without what the kernel counts
	Before  mirror.OutputAccount `json:"before"`  // what the kernel had counted for the slot when the name got it
	Gone    bool                 `json:"gone"`    // the name has no slot any more: the note stands in a free one
}

// load loads the program: with `on_exit: keep` under pins, and over what an earlier
// daemon left there. It returns the configuration, in which outputs that the earlier
// one had keep their slots, and what that noted of them.
func (d *daemon) load(c *config.Config) (*config.Config, map[int]outputNote, error) {
	if c.OnExit == config.OnExitDetach {
		program, err := loader.Load(c.Judge, c.Policy)
		d.program = program
		return c, nil, err
	}
	pins, err := loader.OpenPins(loader.PinOptions{Root: c.Pins, Interfaces: c.Interfaces})
	if err != nil {
		return nil, nil, err
	}
	notes, slots, err := readNotes(pins)
	if err == nil && len(slots) > 0 {
		c, err = loadRunnable(d.path, slots)
	}
	if err != nil {
		return nil, nil, errors.Join(err, pins.Close())
	}
	d.program, err = loader.LoadPinned(c.Judge, c.Policy, pins)
	if namespace := loader.NamespaceOfSys(c.Pins); err == nil && namespace != "" {
		d.log.Warn("the bpffs is this process's own, made by `ip netns exec`: the program goes when the daemon ends", "pins", c.Pins,
			"hint", "start it with nsenter --net=/run/netns/"+namespace)
	}
	return c, notes, err
}

func readNotes(pins *loader.Pins) (notes map[int]outputNote, slots map[string]int, err error) {
	texts, err := pins.Notes()
	if err != nil {
		return nil, nil, err
	}
	notes, slots = make(map[int]outputNote), make(map[string]int)
	for slot, text := range texts {
		var note outputNote
		if err := json.Unmarshal(text, &note); err != nil {
			return nil, nil, fmt.Errorf("read what an earlier daemon noted of slot %d: %w", slot, err)
		}
		notes[slot] = note
		if !note.Gone {
			slots[note.Name] = slot
		}
	}
	return notes, slots, nil
}

// succeed says what was taken over from an earlier daemon, and removes what it had
// and this one has not.
func (d *daemon) succeed() error {
	if d.program.Adopted() {
		d.log.Info("an earlier daemon's program, counters and packets are taken over", "pins", d.current().config.Pins)
	}
	left, err := d.program.Tidy()
	for _, one := range left {
		d.outputs.leaveBehind(one)
		d.log.Warn("the program is taken over from a build or a configuration with other maps", "pins", one.Dir, "packets_left", one.Packets,
			"hint", "counters begin anew: the ledger of that daemon is its last; the packets in its rings are lost, and counted as left_behind")
	}
	return err
}

// leaveBehind counts packets as lost that are in rings which are given up, each to
// the name that its output had.
func (s *outputs) leaveBehind(left loader.LeftBehind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot, n := range left.Slots {
		note := outputNote{Name: s.owners[slot].name} // of a daemon that was killed before it noted any
		if text := left.Notes[slot]; text != nil {
			_ = json.Unmarshal(text, &note) // of another build: it may be another form
		}
		if n > 0 && note.Name != "" {
			account := accountOf(s.past, note.Name)
			account.Offered += n
			account.Lose(mirror.LossLeftBehind, n)
		}
	}
}

// restore lets the accounts of an earlier daemon's outputs go on.
func (s *outputs) restore(notes map[int]outputNote) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot, note := range notes {
		if !note.Gone {
			s.owners[slot] = slotOwner{note.Name, note.Before}
		}
		account := accountOf(s.past, note.Name)
		add(account, note.Account)
		// A daemon that was killed had offered packets of which it was not known yet
		// what would become of them.
		account.Lose(mirror.LossKilled, note.Account.Offered-accountedFor(note.Account))
	}
}

func accountedFor(account mirror.OutputAccount) uint64 {
	sum := account.Delivered
	for _, n := range account.Lost {
		sum += n
	}
	return min(sum, account.Offered)
}

// note leaves notes to the next daemon: in each slot of the output that has it, and in
// the others of those that are gone, as far as there is room.
func (s *outputs) note() error {
	var errs []error
	for slot, note := range s.notes() {
		var text []byte
		var err error
		if note.Name != "" {
			text, err = json.Marshal(note)
		}
		if err == nil {
			err = s.program.Note(slot, text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("leave a note of output %q: %w", note.Name, err))
		}
	}
	return errors.Join(errs...)
}

// notes are those of all slots; one without a name is none.
func (s *outputs) notes() (notes [abi.LimitOutputs]outputNote) {
	users, unclaimed := s.userAccounts(), s.backlog.Unclaimed()
	for slot, owner := range s.slotOwners() {
		note := outputNote{Name: owner.name, Before: owner.before}
		if account := users[owner.name]; account != nil {
			note.Account = *account
			note.Account.Readers = nil // they do not outlive the daemon
			delete(users, owner.name)
		}
		note.take(unclaimed[slot])
		notes[slot] = note
	}
	slot := 0
	for _, name := range slices.Sorted(maps.Keys(users)) {
		for slot < len(notes) && notes[slot].Name != "" {
			slot++
		}
		if slot < len(notes) {
			notes[slot] = outputNote{Name: name, Account: *users[name], Gone: true}
		}
	}
	return notes
}

// take puts into the account what this daemon, and not the kernel, counts for a slot.
func (n *outputNote) take(unclaimed uint64) {
	earlier := n.Before.Lost[mirror.LossOutputClosed]
	n.Before.Lost = maps.Clone(n.Before.Lost)
	delete(n.Before.Lost, mirror.LossOutputClosed)
	n.Before.Offered -= earlier
	n.Account.Offered += unclaimed - earlier
	n.Account.Lose(mirror.LossOutputClosed, unclaimed-earlier)
}

// keeps says whether the program is to stay when the daemon ends.
func (d *daemon) keeps() bool { return d.current().config.OnExit == config.OnExitKeep }

// noteOutputs leaves notes, and says so once if it cannot.
func (d *daemon) noteOutputs() {
	if !d.keeps() {
		return
	}
	err := d.outputs.note()
	if err != nil && !d.noteFailed {
		d.log.Error("accounts would not outlive this daemon", "error", err, "hint", "a shorter name for the output leaves more room")
	}
	d.noteFailed = err != nil
}

// leave lets go of the interfaces. The program stays on them, and goes on.
func (d *daemon) leave() error {
	var errs []error
	for _, w := range d.interfaces {
		errs = append(errs, w.leave())
	}
	d.outputs.leaveVeths()
	return errors.Join(errs...)
}

// undo takes back what was begun, unless an earlier daemon had begun it: that stays.
func (d *daemon) undo(opened []output) error {
	if d.program.Adopted() {
		leaveVeths(opened)
		return errors.Join(d.leave(), discardAll(opened))
	}
	return errors.Join(d.detach(), discardAll(opened), d.program.Unpin())
}
