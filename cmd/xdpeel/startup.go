package main

import (
	"errors"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
)

// openOutputs has there be outputs, none yet, that go on where an earlier daemon's were.
func (d *daemon) openOutputs(env *environment, c *config.Config, noted []*entry) {
	var sockets []string
	for _, name := range c.Interfaces {
		sockets = append(sockets, env.socketOf(name))
	}
	register := newRegister(d.program.Books(), d.program.Note, d.log)
	register.restore(noted, d.program.Taken())
	backlog := export.NewBacklog(c.Buffer)
	backlog.Continue(d.program.Taken(), register.orphaned)
	d.outputs = newOutputs(d.program, backlog, register, sockets, d.log)
}

// start begins, and then gives up the privileges that it took to begin. On an error
// nothing is left behind that was not there before.
func (d *daemon) start(env *environment, c *config.Config) (reader *loader.Reader, err error) {
	if err := d.begin(c); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.undo(nil), d.outputs.close())
		}
	}()
	if err := d.succeed(); err != nil {
		return nil, err
	}
	d.log.Info("running", "config", d.path, "sessions", len(c.Policy.Sessions), "outputs", len(c.Outputs), "http", c.HTTP)
	d.logNotes(c)
	if reader, err = d.program.NewReader(); err != nil || !env.alone {
		return reader, err
	}
	if err := d.shed(); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return reader, nil
}

// begin opens the outputs, then attaches to the interfaces: a packet that is taken
// from the host has to have somewhere to go. On an error nothing is left behind that
// was not there before.
func (d *daemon) begin(c *config.Config) error {
	opened, err := d.outputs.open(c, d)
	if err != nil {
		return errors.Join(explainKept(err), d.undo(nil))
	}
	if err := d.attach(c); err != nil {
		return errors.Join(explainLoader(err), d.undo(opened))
	}
	counted, err := d.outputs.countedOf(opened, d.slotAccounts)
	if err != nil {
		return errors.Join(err, d.undo(opened))
	}
	d.outputs.settle(c, opened, counted)
	return nil
}

// attach puts the program on the interfaces. Those that are not there may come, as long
// as one is: a name that is wrong and a machine that has just booted look alike.
func (d *daemon) attach(c *config.Config) error {
	var absent []error
	for _, name := range c.Interfaces {
		w := watch(name, loader.Mode(c.Mode), d.log)
		d.interfaces = append(d.interfaces, w)
		err := w.attach(d.program.Attach)
		switch {
		case errors.Is(err, loader.ErrNoInterface):
			absent = append(absent, err)
		case err != nil:
			return err
		}
	}
	if len(absent) == len(c.Interfaces) {
		return absent[0]
	}
	for _, err := range absent {
		d.log.Error("no packets are captured here yet", "error", err, "hint", "xdpeel attaches when the interface comes; see that its name is right")
	}
	return nil
}

// logNotes says what is not wrong with a configuration but worth knowing.
func (d *daemon) logNotes(c *config.Config) {
	for _, note := range c.Notes {
		d.log.Warn("configuration", "note", note, "hint", "nothing is wrong: it may not be what was meant")
	}
}
