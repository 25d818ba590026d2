package main

import (
	"errors"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/host"
	"github.com/xdpeel/xdpeel/loader"
)

// load loads the program: with `on_exit: keep` under pins, and over what an earlier
// daemon left there. It returns the configuration, in which outputs that the earlier
// one had keep their slots, and what that noted of them.
func (d *daemon) load(c *config.Config) (*config.Config, []*entry, error) {
	if c.OnExit == config.OnExitDetach {
		program, err := loader.Load(c.Judge, c.Policy)
		d.program = program
		return c, nil, err
	}
	pins, err := loader.OpenPins(loader.PinOptions{Root: c.Pins, Interfaces: c.Interfaces})
	if err != nil {
		return nil, nil, err
	}
	text, err := pins.Notes()
	var noted []*entry
	if err == nil {
		noted, err = readRegister(text)
	}
	if slots := slotsOf(noted); err == nil && len(slots) > 0 {
		c, err = loadRunnable(d.path, slots)
	}
	if err != nil {
		return nil, nil, errors.Join(err, pins.Close())
	}
	d.program, err = loader.LoadPinned(c.Judge, c.Policy, pins)
	if namespace := host.NamespaceOfSys(c.Pins); err == nil && namespace != "" {
		d.log.Warn("the bpffs is this process's own, made by `ip netns exec`: the program goes when the daemon ends", "pins", c.Pins,
			"hint", "start it with nsenter --net=/run/netns/"+namespace)
	}
	return c, noted, err
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
	names := make(map[int]string)
	noted, _ := readRegister(left.Notes) // of another build: it may be another form
	for name, slot := range slotsOf(noted) {
		names[slot] = name
	}
	for slot, n := range left.Slots {
		name := names[slot]
		if name == "" { // of a daemon that was killed before it noted any
			name = s.register.ownerName(slot)
		}
		if n > 0 && name != "" {
			s.register.leaveBehind(name, n)
		}
	}
}

// keeps says whether the program is to stay when the daemon ends.
func (d *daemon) keeps() bool { return d.current().config.OnExit == config.OnExitKeep }

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
