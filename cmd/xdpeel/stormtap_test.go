package main

import (
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/lab"
)

// stormTap is a pair in the daemon's namespace: the output `tap` sends out of the
// interface tap, and what arrives at the other end is received, throughout the storm.
type stormTap struct {
	pair     *lab.Pair
	listener *stormListener
	isNew    func(n uint64) bool // of a packet's number
	got      uint64              // what came out of taps that are gone
	dropped  uint64              // by the kernel on its way there: the output may know of it or not
}

// openTap makes the pair.
func (s *storm) openTap() {
	s.t.Helper()
	namespace := s.wire.far.Namespace
	pair, err := lab.NewPair(namespace, namespace, lab.VethOptions{NameA: "tap", NameB: "sensor", MTU: 1500, OffloadsOff: true})
	if err != nil {
		s.t.Fatal(err)
	}
	s.tap.pair = pair
	s.tap.listener = listenStorm(s.t, namespace, "sensor", s.tap.isNew)
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
	if got := s.tap.got; got > delivered+s.margin || got+s.tap.dropped+s.margin < delivered {
		s.t.Errorf("output \"tap\" has delivered %d packets and %d came, %d the kernel dropped; %d kills may cost %d",
			delivered, got, s.tap.dropped, s.kills, s.margin)
	}
}

func (s *storm) tapDown() {
	s.t.Helper()
	s.change(s.wire.far.Namespace, "tap", netlink.LinkSetDown)
	time.Sleep(s.some(time.Second))
	s.change(s.wire.far.Namespace, "tap", netlink.LinkSetUp)
	s.awaitUp(s.wire.far.Namespace, "tap")
}

func (s *storm) remakeTap() {
	s.t.Helper()
	s.calm()
	s.rest()
	s.closeTap()
	s.source.resume()
	time.Sleep(s.some(time.Second))
	s.openTap()
	s.awaitReady()
}
