package main

import (
	"slices"
	"strings"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// ledgerReadings is how often the ledger is read at most, to find one at which no
// frame is under way from one sum to another.
const ledgerReadings = 3

// ledger reads the ledger. While packets come, frames that are being judged may be
// in one of its sums and not yet in another, and packets in the rings are in none
// of an output's.
func (d *daemon) ledger() (ledger *mirror.Ledger, err error) {
	var counted *loader.SlotAccounts
	for range ledgerReadings {
		if ledger, counted, err = d.program.Ledger(); err != nil {
			return nil, err
		}
		if sumOutcomes(ledger) == ledger.Received {
			break
		}
	}
	ledger.Name(d.current().config.Policy)
	ledger.Outputs = d.outputs.accounts(counted)
	var names, modes []string
	for _, i := range d.interfaceReadings() {
		names = append(names, i.Name)
		if !slices.Contains(modes, i.Mode) {
			modes = append(modes, i.Mode)
		}
	}
	ledger.Interface, ledger.Mode = strings.Join(names, ","), strings.Join(modes, ",")
	return ledger, nil
}

// Reading is what the metrics tell; see export.Readings.
func (d *daemon) Reading() (*export.Reading, error) {
	ledger, err := d.ledger()
	if err != nil {
		return nil, err
	}
	state := d.current()
	reading := &export.Reading{
		Ledger: ledger, Policy: state.config.Policy, Interfaces: d.interfaceReadings(), Outputs: d.outputs.readings(),
		Started: d.started, LastReload: state.reloadErr == nil, LastSuccess: state.loadedAt,
		Ready: len(d.missing()) == 0, Draining: d.draining.Load(),
		Helper: !d.program.HelperGone(),
	}
	for _, fill := range d.program.RingFills() {
		reading.Rings = append(reading.Rings, export.RingReading(fill))
	}
	for i := range reading.Interfaces {
		at := &reading.Interfaces[i]
		counters, err := d.counters.Read(at.Name)
		if err != nil {
			return nil, err
		}
		at.Dropped, at.Allowances = counters.Dropped, counters.Allowances
	}
	return reading, nil
}

func (d *daemon) interfaceReadings() []export.InterfaceReading {
	var readings []export.InterfaceReading
	for _, w := range d.interfaces {
		readings = append(readings, w.reading())
	}
	return readings
}
