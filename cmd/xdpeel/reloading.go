package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/loader"
)

// reload reads the configuration again, as asked for at a time. What is wrong with
// it changes nothing: the error is all of that, with a hint.
func (d *daemon) reload(asked time.Time) error {
	d.supervisor.reloading()
	defer func() { d.supervisor.ready(d.summary()) }()
	next, err := d.change()
	took := time.Since(asked)
	d.update(func(s *configState) {
		s.reloadedAt, s.reloadErr = asked, err
		if err == nil {
			s.config, s.names = next, namesOf(next.Policy)
			s.generation, s.loadedAt = s.generation+1, asked
		}
	})
	if err != nil {
		hint := d.reloadRemedy(err)
		for complaint := range strings.SplitSeq(err.Error(), "\n") {
			d.log.Error("configuration not reloaded: the one before stays in effect", "error", complaint, "hint", hint)
		}
		return hinted(err, "%s", hint)
	}
	d.log.Info("configuration reloaded", "took", took, "generation", d.current().generation,
		"sessions", len(next.Policy.Sessions), "outputs", len(next.Outputs))
	d.logNotes(next)
	return nil
}

// answerReload reloads for one who waits for it.
func (d *daemon) answerReload(asked time.Time) (answer reloadAnswer) {
	if err := d.reload(asked); err != nil {
		answer.Error, answer.Hint = err.Error(), hintOf(err)
	}
	answer.Summary = d.summary()
	return answer
}

// reloadRemedy says what to do about a reload that was refused. Not every mistake can be
// seen in the file.
func (d *daemon) reloadRemedy(err error) string {
	if errors.As(err, new(config.Complaints)) {
		return "`xdpeel config check " + d.path + "` says what is wrong with the file"
	}
	return cmp.Or(hintOf(explainKept(err)), "mend what it names, and reload again")
}

// change puts the configuration in the file into effect, all of it or nothing.
func (d *daemon) change() (*config.Config, error) {
	next, err := loadRunnable(d.path, d.outputs.slots())
	if err != nil {
		return nil, err
	}
	if err := checkChange(d.current().config, next); err != nil {
		return nil, hinted(fmt.Errorf("%s: %w", d.path, err), "put the old value back, or restart xdpeel")
	}
	opened, err := d.outputs.open(next, d)
	if err != nil {
		return nil, err
	}
	counted, err := d.outputs.admit(opened, d.slotAccounts)
	if err == nil {
		err = d.program.SetPolicy(next.Policy)
	}
	if err != nil {
		return nil, errors.Join(err, d.outputs.withdraw(opened))
	}
	d.outputs.settle(next, opened, counted)
	return next, nil
}

func (d *daemon) slotAccounts() (*loader.SlotAccounts, error) {
	_, counted, err := d.program.Ledger()
	return counted, err
}

// checkChange refuses what a program that is attached cannot change.
func checkChange(before, after *config.Config) error {
	var changed []string
	for _, fixed := range []struct {
		keys string
		same bool
	}{
		{"interfaces", slices.Equal(before.Interfaces, after.Interfaces)},
		{"mode", before.Mode == after.Mode},
		{"ports", slices.Equal(before.Judge.VXLANPorts, after.Judge.VXLANPorts) && slices.Equal(before.Judge.GENEVEPorts, after.Judge.GENEVEPorts)},
		{"buffer", before.Buffer == after.Buffer},
		{"http", before.HTTP == after.HTTP},
		{"health", before.Health == after.Health},
		{"on_exit and pins", before.OnExit == after.OnExit && before.Pins == after.Pins},
	} {
		if !fixed.same {
			changed = append(changed, fixed.keys)
		}
	}
	if len(changed) > 0 {
		return fmt.Errorf("%s cannot change while xdpeel runs: restart it", strings.Join(changed, ", "))
	}
	return nil
}
