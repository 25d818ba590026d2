package main

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// outputTable is who gets the packets that name a slot.
type outputTable [abi.LimitOutputs]*fileOutput

// outputs are those of the configuration in effect, and those of the ones before
// until their last packets are written. One goroutine changes them, while another
// writes and any may ask for the accounts.
//
// Accounts belong to names and last as long as the daemon: an output that a
// reload reopens goes on counting, and one that is gone is still told of.
type outputs struct {
	log     *slog.Logger
	writing sync.Mutex                  // held while a batch is given out
	table   atomic.Pointer[outputTable] // replaced by another, never changed

	retired [abi.LimitOutputs]time.Time // since when no packet is judged for the slot's output; zero: it is in effect

	mu      sync.Mutex
	owners  [abi.LimitOutputs]slotOwner
	closing map[*fileOutput]bool
	past    map[string]*mirror.OutputAccount // of those that are closed

	closers sync.WaitGroup
}

// slotOwner is the name that a slot's losses in the kernel belong to.
type slotOwner struct {
	name   string
	before map[mirror.Loss]uint64 // losses of the slot when the name got it
}

func newOutputs(log *slog.Logger) *outputs {
	s := &outputs{log: log, closing: make(map[*fileOutput]bool), past: make(map[string]*mirror.OutputAccount)}
	s.table.Store(new(outputTable))
	return s
}

// write gives a batch to all outputs.
func (s *outputs) write(b *mirror.Batch) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, o := range s.table.Load() {
		if o != nil {
			o.write(b)
		}
	}
}

// open opens the outputs of c that are new or are not what they were. On an error
// none is opened.
func (s *outputs) open(c *config.Config, book sessionBook) (opened []*fileOutput, err error) {
	table := s.table.Load()
	for _, wanted := range c.Outputs {
		if o := table[wanted.Slot]; o != nil && o.config == wanted && !s.isRetired(wanted.Slot) {
			continue
		}
		o, err := openOutput(wanted, c.Policy.Seed, book, s.log)
		if err != nil {
			return nil, errors.Join(err, discardAll(opened))
		}
		opened = append(opened, o)
	}
	return opened, nil
}

func discardAll(opened []*fileOutput) error {
	var errs []error
	for _, o := range opened {
		errs = append(errs, o.discard())
	}
	return errors.Join(errs...)
}

// admit lets the opened outputs have packets whose slot no output in effect has.
// It must be called before a policy names them. It returns what is to be settled
// with, ringLost being asked for where a slot goes from one name to another.
func (s *outputs) admit(opened []*fileOutput, ringLost func() (loader.RingLost, error)) (lost loader.RingLost, err error) {
	for _, o := range opened {
		slot := o.config.Slot
		if s.table.Load()[slot] == nil || s.isRetired(slot) {
			s.put(slot, o)
		}
		if before := s.owners[slot].name; before != "" && before != o.config.Name && err == nil {
			lost, err = ringLost()
		}
	}
	return lost, err
}

// withdraw undoes admit: no policy names the outputs.
func (s *outputs) withdraw(opened []*fileOutput) error {
	for _, o := range opened {
		if s.table.Load()[o.config.Slot] == o {
			s.replace(o.config.Slot, nil)
		}
		s.forget(o)
	}
	return discardAll(opened)
}

// settle puts the outputs of c into effect, now that its policy is: the opened ones
// take the places of those that they were opened for, and those that c does not
// have are retired. lost is what admit returned.
func (s *outputs) settle(c *config.Config, opened []*fileOutput, lost loader.RingLost) {
	for _, o := range opened {
		slot := o.config.Slot
		if s.table.Load()[slot] != o {
			s.put(slot, o)
		}
		s.own(slot, o.config.Name, lost[slot])
	}
	var wanted outputTable
	for _, o := range c.Outputs {
		wanted[o.Slot] = s.table.Load()[o.Slot]
	}
	for slot, o := range s.table.Load() {
		switch {
		case o == nil:
		case wanted[slot] != nil:
			o.reseed(c.Policy.Seed)
		case !s.isRetired(slot):
			s.retired[slot] = time.Now()
		}
	}
}

// closeRetired closes the retired outputs that have had their last packet.
func (s *outputs) closeRetired(isPast func(time.Time) bool) {
	for slot, o := range s.table.Load() {
		if o != nil && s.isRetired(slot) && isPast(s.retired[slot]) {
			s.put(slot, nil)
		}
	}
}

func (s *outputs) isRetired(slot int) bool { return !s.retired[slot].IsZero() }

// put gives a slot to an output, or to none, and closes the one that had it.
func (s *outputs) put(slot int, o *fileOutput) {
	before := s.replace(slot, o)
	if before == nil {
		return
	}
	s.closers.Go(func() {
		// Not before the batch is out that is being given out by the table before.
		s.writing.Lock()
		before.shut()
		s.writing.Unlock()
		if err := before.close(); err != nil {
			s.log.Error("output is not closed in order", "error", err)
		}
		s.bury(before)
	})
}

// replace gives a slot to an output and returns the one that had it, to be closed.
func (s *outputs) replace(slot int, o *fileOutput) (before *fileOutput) {
	s.mu.Lock()
	defer s.mu.Unlock()
	table := *s.table.Load()
	before, table[slot] = table[slot], o
	if before != nil {
		s.closing[before] = true
	}
	s.retired[slot] = time.Time{}
	s.table.Store(&table)
	return before
}

// own gives the losses of a slot from now on to a name; lost are those until now.
func (s *outputs) own(slot int, name string, lost map[mirror.Loss]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := &s.owners[slot]
	if owner.name == name {
		return
	}
	if owner.name != "" {
		owner.settle(accountOf(s.past, owner.name), lost)
	}
	*owner = slotOwner{name, maps.Clone(lost)}
}

// settle adds to an account what the slot lost since the name got it.
func (o *slotOwner) settle(account *mirror.OutputAccount, lost map[mirror.Loss]uint64) {
	for reason, n := range lost {
		account.Offered += n - o.before[reason]
		account.Lose(reason, n-o.before[reason])
	}
}

// bury keeps the account of a closed output.
func (s *outputs) bury(o *fileOutput) {
	account, _ := o.state()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.closing, o)
	add(accountOf(s.past, o.config.Name), account)
}

// forget is of an output that was never in effect.
func (s *outputs) forget(o *fileOutput) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.closing, o)
}

// close closes all outputs. The pump must have ended.
func (s *outputs) close() error {
	var errs []error
	for _, o := range s.table.Load() {
		if o != nil {
			errs = append(errs, explainOutput(o.close()))
		}
	}
	s.closers.Wait()
	return errors.Join(errs...)
}

// slots are the slots in use, by the name of their output.
func (s *outputs) slots() map[string]int {
	used := make(map[string]int)
	for slot, o := range s.table.Load() {
		if o != nil {
			used[o.config.Name] = slot
		}
	}
	return used
}

// accounts are those of all outputs there ever were, by name; lost is what was
// lost before it came to them.
func (s *outputs) accounts(lost loader.RingLost) map[string]*mirror.OutputAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := make(map[string]*mirror.OutputAccount)
	for name, account := range s.past {
		add(accountOf(sum, name), *account)
	}
	for _, o := range slices.Concat(s.table.Load()[:], slices.Collect(maps.Keys(s.closing))) {
		if o != nil {
			account, _ := o.state()
			add(accountOf(sum, o.config.Name), account)
		}
	}
	for slot, owner := range s.owners {
		if owner.name != "" {
			owner.settle(accountOf(sum, owner.name), lost[slot])
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
}

// failures are the outputs that take no packets, and why.
func (s *outputs) failures() map[string]string {
	failures := make(map[string]string)
	for _, o := range s.table.Load() {
		if o == nil {
			continue
		}
		if _, failure := o.state(); failure != nil {
			failures[o.config.Name] = failure.Error()
		}
	}
	return failures
}
