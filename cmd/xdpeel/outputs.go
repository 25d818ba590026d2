package main

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xdpeel/xdpeel/books"
	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// outputTable is who gets the packets that name a slot.
type outputTable [abi.LimitOutputs]output

// outputs are those of the configuration in effect, and those of the ones before
// until their last packets are written. One goroutine changes them, while another
// fills the backlog and any may ask for the accounts.
//
// Accounts belong to names and last as long as the daemon: an output that a
// reload reopens goes on counting, and one that is gone is still told of.
type outputs struct {
	log      *slog.Logger
	program  *loader.Program // feeds the veths
	backlog  *export.Backlog
	register *register
	sockets  []string                    // where outputs of type socket listen that do not say where
	table    atomic.Pointer[outputTable] // replaced by another, never changed

	retired [abi.LimitOutputs]time.Time // since when no packet is judged for the slot's output; zero: it is in effect

	mu      sync.Mutex
	closing map[output]bool
	past    map[string]*mirror.OutputAccount // of those that are closed
	writes  map[string]*export.Durations

	closers sync.WaitGroup
}

func newOutputs(program *loader.Program, backlog *export.Backlog, register *register, sockets []string, log *slog.Logger) *outputs {
	s := &outputs{
		log: log, program: program, backlog: backlog, register: register, sockets: sockets, closing: make(map[output]bool),
		past: make(map[string]*mirror.OutputAccount), writes: make(map[string]*export.Durations),
	}
	s.table.Store(new(outputTable))
	return s
}

// open opens the outputs of c that are new or are not what they were. On an error
// none is opened.
func (s *outputs) open(c *config.Config, sessions sessionInfo) (opened []output, err error) {
	table := s.table.Load()
	for _, wanted := range c.Outputs {
		if o := table[wanted.Slot]; o != nil && o.settings() == wanted && !s.isRetired(wanted.Slot) {
			continue
		}
		o, err := s.openOutput(wanted, c.Policy.Seed, sessions)
		if err != nil {
			err = errors.Join(err, discardAll(opened))
			s.register.prune()
			return nil, err
		}
		opened = append(opened, o)
	}
	return opened, nil
}

// openOutput opens an output of any type. Its error names it.
func (s *outputs) openOutput(c config.Output, seed uint64, sessions sessionInfo) (output, error) {
	if c.Type == config.OutputVeth {
		return openVeth(c, s.program, s.vethLike(c), s.log)
	}
	book := s.register.book(c.Name)
	follower := s.backlog.NewFollower(c.Slot, book)
	var to sink
	var err error
	switch c.Type {
	case config.OutputPcapng, config.OutputPcap:
		to, err = openFiles(c, sessions, follower, book, s.log)
	case config.OutputAFPacket:
		to, err = openSender(c, s.program, book)
	case config.OutputSocket:
		o, err := openSockets(c, s.sockets, seed, s.backlog, sessions, s.register, s.log)
		if err != nil {
			return nil, fmt.Errorf("open output %q: %w", c.Name, err)
		}
		return o, nil
	default:
		err = fmt.Errorf("type %s is not in this version", c.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("open output %q: %w", c.Name, err)
	}
	return newQueuedOutput(c, seed, follower, to, book, s.writesOf(c.Name), s.log), nil
}

// openSender opens an interface to send packets out of.
func openSender(c config.Output, program *loader.Program, book *books.Book) (sink, error) {
	socket, err := program.PacketSocket()
	if err != nil {
		return nil, err
	}
	return export.NewPacketSender(c.Interface, socket, book)
}

// vethLike returns the veth that has a slot, or one of the names, that another is to
// have; nil without.
func (s *outputs) vethLike(c config.Output) *vethOutput {
	for _, o := range s.veths() {
		if o.config.Slot == c.Slot || o.config.Interface == c.Interface {
			return o
		}
	}
	return nil
}

// veths are the outputs in the table that are veths.
func (s *outputs) veths() (veths []*vethOutput) {
	for _, o := range s.table.Load() {
		if veth, ok := o.(*vethOutput); ok {
			veths = append(veths, veth)
		}
	}
	return veths
}

// check looks after the outputs that nobody else does.
func (s *outputs) check(now time.Time) {
	for _, o := range s.veths() {
		if !s.isRetired(o.config.Slot) {
			o.check(now)
		}
	}
}

func discardAll(opened []output) error {
	var errs []error
	for _, o := range opened {
		errs = append(errs, o.discard())
	}
	return errors.Join(errs...)
}

// admit lets the opened outputs have packets whose slot no output in effect has.
// It must be called before a policy names them. It returns what is to be settled
// with: what the kernel has counted, which is asked for where a slot goes from one
// name to another.
func (s *outputs) admit(opened []output, ask func() (*loader.SlotAccounts, error)) (counted *loader.SlotAccounts, err error) {
	for _, o := range opened {
		slot := o.settings().Slot
		if s.table.Load()[slot] == nil || s.isRetired(slot) {
			s.put(slot, o)
		}
	}
	return s.countedOf(opened, ask)
}

// countedOf asks for what the kernel has counted, if an opened output gets the slot of
// another name.
func (s *outputs) countedOf(opened []output, ask func() (*loader.SlotAccounts, error)) (*loader.SlotAccounts, error) {
	for _, o := range opened {
		if before := s.register.ownerName(o.settings().Slot); before != "" && before != o.settings().Name {
			return ask()
		}
	}
	return new(loader.SlotAccounts), nil
}

// withdraw undoes admit: no policy names the outputs.
func (s *outputs) withdraw(opened []output) error {
	for _, o := range opened {
		if s.table.Load()[o.settings().Slot] == o {
			s.replace(o.settings().Slot, nil)
			s.backlog.Turn(nil, nil, s.register.withdraw(o.settings().Slot))
		}
		s.forget(o)
	}
	err := discardAll(opened)
	s.register.prune()
	return err
}

// settle puts the outputs of c into effect, now that its policy is: the opened ones
// take the places of those that they were opened for, and those that c does not
// have are retired. counted is what admit returned.
func (s *outputs) settle(c *config.Config, opened []output, counted *loader.SlotAccounts) {
	for _, o := range opened {
		slot := o.settings().Slot
		if s.table.Load()[slot] != o {
			s.put(slot, o)
		}
		s.register.own(slot, o.settings().Name, counted[slot])
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
func (s *outputs) put(slot int, o output) {
	before := s.replace(slot, o)
	if before == nil {
		return
	}
	s.closers.Go(func() {
		if err := before.close(); err != nil {
			s.log.Error("output is not closed in order", "error", err, "hint", "its last file may lack its end: packets up to there can be read")
		}
		s.bury(before)
	})
}

// replace gives a slot to an output and returns the one that had it, to be closed.
func (s *outputs) replace(slot int, o output) (before output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	table := *s.table.Load()
	before, table[slot] = table[slot], o
	var joining, leaving []*export.Follower
	var note func(mirror.SlotCounts)
	if o != nil {
		joining, note = o.start(), s.register.assign(o.settings().Name, slot)
	}
	if before != nil {
		leaving = before.stop()
		s.closing[before] = true
	}
	s.backlog.Turn(joining, leaving, note)
	s.retired[slot] = time.Time{}
	s.table.Store(&table)
	return before
}

// forget is of an output that was never in effect.
func (s *outputs) forget(o output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.closing, o)
}

// close closes all outputs. The pump must have ended.
func (s *outputs) close() error {
	var errs []error
	for _, o := range s.table.Load() {
		if o != nil {
			s.backlog.Turn(nil, o.stop(), nil)
		}
	}
	for _, o := range s.table.Load() {
		if o != nil {
			errs = append(errs, explainKept(o.close()))
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
			used[o.settings().Name] = slot
		}
	}
	return used
}

// leaveVeths has the veths stay when they are closed.
func (s *outputs) leaveVeths() { leaveVeths(s.table.Load()[:]) }

func leaveVeths(list []output) {
	for _, o := range list {
		if veth, ok := o.(*vethOutput); ok {
			veth.stays = true
		}
	}
}
