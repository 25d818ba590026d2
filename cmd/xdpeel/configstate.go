package main

import (
	"time"

	"github.com/xdpeel/xdpeel/config"
)

// configState is the configuration in effect, and how it came to be.
type configState struct {
	config     *config.Config
	names      sessionNames // of its policy
	generation int          // 1 at start, one more with each reload
	loadedAt   time.Time
	reloadedAt time.Time // the last reload, successful or not; zero: there was none
	reloadErr  error     // why it changed nothing
}

// current is the configuration in effect.
func (d *daemon) current() configState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

func (d *daemon) update(change func(*configState)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.state)
}
