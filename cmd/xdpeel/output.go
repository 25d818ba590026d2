package main

import (
	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/mirror"
)

// output is an output of the configuration, from when it is opened until it is
// closed. It follows the backlog as it likes, or not at all.
type output interface {
	settings() config.Output
	// start returns those that are to join the backlog for it, stop those that are
	// to leave.
	start() (joining []*export.Follower)
	stop() (leaving []*export.Follower)
	account() mirror.OutputAccount
	reading() export.OutputReading
	why() error // it takes no packets; nil if it does
	reseed(seed uint64)
	// close waits until all packets from before the leave are written; this may take
	// as long as what they are written to.
	close() error
	// discard closes it as if it had never been opened.
	discard() error
}
