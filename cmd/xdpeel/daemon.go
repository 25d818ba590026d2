package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/host"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// daemon is `xdpeel run` while it runs. What packets go through is rings, pump,
// outputs; what an operator does to it comes to serve, which alone changes it.
type daemon struct {
	path       string // of the configuration
	log        *slog.Logger
	program    *loader.Program
	interfaces []*watchedInterface
	outputs    *outputs
	pump       *pump
	counters   *host.CounterReader
	supervisor *supervisor
	control    *control
	started    time.Time
	helperGone bool        // and that was said
	draining   atomic.Bool // it was told to end, and goes on for a while
	toldAt     time.Time   // when; serve's own

	mu    sync.Mutex
	state configState
}

// runDaemon runs until ctx is done, and accounts for every packet in the end.
func runDaemon(ctx context.Context, env *environment, o runOptions, c *config.Config) (err error) {
	hangups := env.hangups() // from here on one is no end
	if env.alone {
		if err := confine(); err != nil {
			return err
		}
	}
	if err := checkMemory(c); err != nil {
		return err
	}
	d := &daemon{path: o.path, log: o.log, supervisor: findSupervisor(), started: time.Now()}
	if d.counters, err = host.NewCounterReader(); err != nil {
		return err
	}
	defer d.counters.Close()
	c, noted, err := d.load(c)
	if err != nil {
		return explainLoader(err)
	}
	defer func() { err = errors.Join(err, d.program.Close()) }()
	d.state = configState{config: c, names: namesOf(c.Policy), generation: 1, loadedAt: d.started}
	d.openOutputs(env, c, noted)
	sites, err := d.listen(c, o.webConfig)
	if err != nil {
		return errors.Join(err, d.undo(nil))
	}
	if d.control, err = openControl(o.control, d.log); err != nil {
		return errors.Join(err, closeSites(sites), d.undo(nil))
	}
	defer func() { err = errors.Join(err, d.control.close()) }()
	reader, err := d.start(env, c)
	if err != nil {
		return errors.Join(err, closeSites(sites))
	}
	d.pump = newPump(reader, d.outputs.backlog)
	stopServing := d.serveHTTP(sites)
	d.supervisor.ready(d.summary())
	runErr := d.run(ctx, hangups, reader)
	stopServing()
	closeErr := errors.Join(reader.Close(), d.outputs.close())
	return errors.Join(runErr, closeErr, d.report(env, o))
}

// summary is a line for the service manager's status.
func (d *daemon) summary() string {
	c := d.current()
	return fmt.Sprintf("%s on %s, generation %d: %s",
		c.config.Mode, strings.Join(c.config.Interfaces, ", "), c.generation, countConfig(c.config))
}

// run pumps packets and serves the operator until ctx is done or the rings cannot be
// read; then it takes the program off, and writes what is in the rings. Or it leaves
// both as they are to the daemon after it.
func (d *daemon) run(ctx context.Context, hangups <-chan os.Signal, reader *loader.Reader) error {
	pumped := make(chan error, 1)
	go func() { pumped <- d.pump.run() }()
	pumpErr, ended := d.serve(ctx, hangups, pumped)
	detach, stop := d.detach, reader.Stop
	if d.keeps() {
		detach, stop = d.leave, reader.Leave
	}
	detachErr := detach()
	if !ended {
		stop()
		pumpErr = <-pumped
	}
	return errors.Join(pumpErr, detachErr)
}

// serve does what comes up until ctx is done, or the pump has ended with an error.
func (d *daemon) serve(ctx context.Context, hangups <-chan os.Signal, pumped <-chan error) (err error, ended bool) {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	told := ctx.Done()
	var drained <-chan time.Time
	for {
		select {
		case <-told:
			d.drain(context.Cause(ctx))
			told, drained = nil, d.drained()
		case <-drained:
			return nil, false
		case err := <-pumped:
			return err, true
		case <-hangups:
			d.reload(time.Now()) // it is logged how that went
			drained = d.drained()
		case done := <-d.control.reloads:
			done <- d.answerReload(time.Now())
			drained = d.drained()
		case now := <-ticker.C:
			for _, w := range d.interfaces {
				w.check(d.program, now)
			}
			d.outputs.check(now)
			d.outputs.closeRetired(d.pump.isPast)
			d.checkHelper()
			if !d.pump.isStuck() {
				d.supervisor.alive(now)
			}
		}
	}
}

// drain has the load balancer's check refused from now on. Packets are taken until
// there was the time to send them elsewhere.
func (d *daemon) drain(cause error) {
	d.toldAt = time.Now()
	d.draining.Store(true)
	wait := d.current().config.Drain
	d.log.Info("ending", "cause", cause, "after", wait)
	d.supervisor.stopping(wait)
}

// drained says when the daemon has drained: never, if it was not told to end. A
// reload may change how long that takes.
func (d *daemon) drained() <-chan time.Time {
	if !d.draining.Load() {
		return nil
	}
	return time.After(time.Until(d.toldAt.Add(d.current().config.Drain)))
}

func (d *daemon) detach() error {
	var errs []error
	for _, w := range d.interfaces {
		errs = append(errs, w.detach())
	}
	return errors.Join(errs...)
}

// report prints the ledger, once nothing moves any more that this daemon moves.
func (d *daemon) report(env *environment, o runOptions) error {
	ledger, err := d.ledger()
	if err != nil {
		return err
	}
	if d.keeps() { // and so something does move
		return conclude(env, ledger, o.ledger)
	}
	return errors.Join(checkSums(ledger), conclude(env, ledger, o.ledger))
}

// statistics are what the kernel knows of a session, for a file's end.
func (d *daemon) statistics(session mirror.Session) export.Statistics {
	account, err := d.program.Session(session)
	if err != nil {
		d.log.Error("session cannot be read for a file's statistics", "session", session.String(), "error", err, "hint", "the file lacks its count of this session's losses; the status has it")
		return export.Statistics{}
	}
	return export.Statistics{Received: account.Packets, Dropped: account.Lost}
}

func (d *daemon) sessionName(session mirror.Session) string {
	return d.current().names.of(session)
}
