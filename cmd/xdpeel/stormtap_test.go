package main

import (
	"errors"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/lab"
)

// stormTap is a pair in the daemon's namespace: the output `tap` sends out of the
// interface tap, and what arrives at the other end is received, throughout the storm.
type stormTap struct {
	listener *stormListener
	isNew    func(n uint64) bool // of a packet's number
	got      uint64              // what came out of taps that are gone
	dropped  uint64              // by the kernel on its way there: the output may know of it or not
}

// openTap makes the pair. Its name is what the output looks for: it gets that when
// somebody receives.
func (s *storm) openTap() {
	s.t.Helper()
	namespace := s.wire.far.Namespace
	if _, err := lab.NewPair(namespace, namespace, lab.VethOptions{NameA: "nameless", NameB: "sensor", MTU: 1500, OffloadsOff: true}); err != nil {
		s.t.Fatal(err)
	}
	s.tap.listener = listenStorm(s.t, namespace, "sensor", s.tap.isNew)
	s.change(namespace, "nameless", func(iface netlink.Link) error {
		return errors.Join(netlink.LinkSetDown(iface), netlink.LinkSetName(iface, "tap"), netlink.LinkSetUp(iface))
	})
	s.awaitUp(namespace, "tap")
}

// closeTap counts what came, and takes the pair away.
func (s *storm) closeTap() {
	s.t.Helper()
	s.change(s.wire.far.Namespace, "tap", func(iface netlink.Link) error {
		s.tap.dropped += iface.Attrs().Statistics.TxDropped
		return nil
	})
	s.tap.got += s.tap.listener.end(s.t)
	s.tap.listener = nil
	s.change(s.wire.far.Namespace, "tap", netlink.LinkDel)
}

// checkTap compares what came with the output's account.
func (s *storm) checkTap() {
	s.t.Helper()
	s.closeTap()
	delivered := s.delivered("tap")
	if got := s.tap.got; got > delivered || got+s.tap.dropped < delivered {
		s.t.Errorf("output \"tap\" has delivered %d packets and %d came, %d the kernel dropped, after %d kills", delivered, got, s.tap.dropped, s.kills)
	}
}

func (s *storm) tapDown() (end func()) {
	s.t.Helper()
	if s.tap.listener == nil { // it is gone
		return func() {}
	}
	s.change(s.wire.far.Namespace, "tap", netlink.LinkSetDown)
	return func() {
		s.change(s.wire.far.Namespace, "tap", netlink.LinkSetUp)
		s.awaitUp(s.wire.far.Namespace, "tap")
	}
}

func (s *storm) tapGone() (end func()) {
	s.t.Helper()
	s.calm()
	s.rest() // so that all is counted
	s.closeTap()
	s.source.resume()
	return s.openTap
}
