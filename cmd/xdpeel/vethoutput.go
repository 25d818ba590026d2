package main

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/loader/pair"
	"github.com/xdpeel/xdpeel/mirror"
)

// vethOutput is a consumer's veth. The kernel feeds it by itself, and counts: no
// packet comes by here.
type vethOutput struct {
	config  config.Output
	log     *slog.Logger
	program *loader.Program
	stays   bool // its interfaces stay when it is closed
	retryAt time.Time

	veth    *loader.Veth // nil: it is not there
	failure guarded[error]
	before  *vethOutput // whose interfaces it took, until it is in effect
}

// openVeth makes the interfaces of an output, or takes them over from the one that
// had its slot or its names.
func openVeth(c config.Output, program *loader.Program, before *vethOutput, log *slog.Logger) (*vethOutput, error) {
	if c.Queues > runtime.NumCPU() {
		return nil, fmt.Errorf("open output %q: %d queues, but this host has %d CPUs to fill them", c.Name, c.Queues, runtime.NumCPU())
	}
	o := &vethOutput{config: c, log: log.With("output", c.Name), program: program, before: before}
	if before != nil {
		before.release()
	}
	err := o.open()
	switch {
	case errors.Is(err, pair.ErrNoNamespace):
		o.fail(err) // it may come
	case err != nil:
		return nil, errors.Join(fmt.Errorf("open output %q: %w", c.Name, err), o.giveBack())
	}
	return o, nil
}

func (o *vethOutput) open() error {
	veth, err := o.program.OpenVeth(loader.VethOptions{
		Options: pair.Options{
			Name: o.config.Interface, Peer: o.config.Peer, PeerNamespace: o.config.Namespace,
			Queues: o.config.Queues, MTU: o.config.MTU,
		},
		Slot: o.config.Slot, Tagged: o.config.Tagged,
	})
	if err != nil {
		return err
	}
	o.veth = veth
	if err := veth.SelfTest(); err != nil {
		o.fail(err)
		return nil // it may come: the consumer's end is another's to look after
	}
	o.failure.set(nil)
	o.log.Info("consumer's end receives", "interface", o.config.Interface, "peer", o.config.Peer, "netns", o.config.Namespace)
	return nil
}

// release lets go of the interfaces for another output to take them.
func (o *vethOutput) release() {
	if o.veth == nil {
		return
	}
	if err := o.veth.Close(); err != nil {
		o.log.Error("veth is not closed in order", "error", err, "hint", "`xdpeel detach` and `ip link del` remove what is left")
	}
	o.veth = nil
}

// giveBack has the output whose interfaces were taken have them again.
func (o *vethOutput) giveBack() error {
	if o.before == nil {
		return nil
	}
	before := o.before
	o.before = nil
	if err := before.open(); err != nil {
		return fmt.Errorf("restore output %q: %w", before.config.Name, err)
	}
	return nil
}

func (o *vethOutput) settings() config.Output { return o.config }

func (o *vethOutput) start() []*export.Follower {
	o.before = nil
	return nil
}

func (o *vethOutput) stop() []*export.Follower { return nil }

// account is empty: what the kernel counts is the slot's, and comes with that.
func (o *vethOutput) account() mirror.OutputAccount { return mirror.OutputAccount{} }

func (o *vethOutput) reading() export.OutputReading {
	return export.OutputReading{Failing: o.why() != nil}
}

func (o *vethOutput) why() error { return o.failure.get() }

func (o *vethOutput) reseed(uint64) {} // the program has the seed from its policy

// close removes the interfaces, unless they are to stay, or are another output's by now.
func (o *vethOutput) close() error {
	if o.veth == nil {
		return nil
	}
	veth := o.veth
	o.veth = nil
	remove := veth.Remove
	if o.stays {
		remove = veth.Leave
	}
	if err := remove(); err != nil {
		return fmt.Errorf("close output %q: %w", o.config.Name, err)
	}
	return nil
}

func (o *vethOutput) discard() error { return errors.Join(o.close(), o.giveBack()) }

// check looks whether both ends are there and up, and makes them anew if they are
// gone, as they are when the consumer's network namespace is.
func (o *vethOutput) check(now time.Time) {
	if now.Before(o.retryAt) {
		return
	}
	if o.veth != nil && !o.veth.State().Gone {
		o.look()
		return
	}
	o.retryAt = now.Add(retryInterval)
	if o.veth != nil {
		o.fail(fmt.Errorf("interface %q is gone", o.config.Interface))
		o.release()
	}
	if err := o.open(); err != nil {
		o.fail(err)
	}
}

// look finds out whether an end is down, and tests again once neither is.
func (o *vethOutput) look() {
	state := o.veth.State()
	switch {
	case !state.Up:
		o.fail(fmt.Errorf("interface %q is down: ip link set %s up", o.config.Interface, o.config.Interface))
	case !state.PeerUp:
		o.fail(fmt.Errorf("the consumer's end %q is down: ip link set %s up", o.config.Peer, o.config.Peer))
	case o.why() != nil:
		if err := o.veth.SelfTest(); err != nil {
			o.fail(err)
			return
		}
		o.failure.set(nil)
		o.log.Info("output takes packets again")
	}
}

// fail remembers why nothing arrives, and says so if it is news.
func (o *vethOutput) fail(err error) {
	if before := o.why(); before == nil || before.Error() != err.Error() {
		o.log.Error("output takes no packets", "error", err, "hint", "it is looked at again every second; docs/veth.md tells what a consumer needs")
	}
	o.failure.set(err)
}
