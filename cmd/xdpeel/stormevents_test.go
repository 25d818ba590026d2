package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// stormEvent is what can happen to a daemon; weight is how often, beside the others.
type stormEvent struct {
	name   string
	weight int
	do     func(s *storm)
}

var stormEvents = []stormEvent{
	{"mirrored interface down or up", 2, trouble("mirrored interface down or up", (*storm).farDown)},
	{"our end of the veth down or up", 1, trouble("our end of the veth down or up", (*storm).oursDown)},
	{"consumer's end down or up", 2, trouble("consumer's end down or up", (*storm).theirsDown)},
	{"mirrored interface with a smaller MTU", 1, trouble("mirrored interface with a smaller MTU", (*storm).smallMTU)},
	{"consumer's end with a smaller MTU", 1, trouble("consumer's end with a smaller MTU", (*storm).theirSmallMTU)},
	{"tap down or up", 1, trouble("tap down or up", (*storm).tapDown)},
	{"tap gone or back", 1, trouble("tap gone or back", (*storm).tapGone)},
	{"disk full or not", 3, trouble("disk full or not", (*storm).fillDisk)},
	{"mirrored interface deleted and made again", 2, (*storm).remake},
	{"SIGKILL while the mirrored interface is gone", 1, (*storm).killWithoutInterface},
	{"consumer killed and started again", 1, (*storm).anotherReader},
	{"consumer's namespace killed and made again", 1, (*storm).anotherNamespace},
	{"reader of the socket", 2, (*storm).readSocket},
	{"reload", 5, (*storm).reload},
	{"bad reload", 2, (*storm).reloadBad},
	{"restart by SIGTERM", 2, (*storm).restart},
	{"restart by SIGKILL", 2, (*storm).killAndRestart},
	{"SIGKILL amid a reload", 1, (*storm).killInReload},
	{"memory pressure", 1, (*storm).squeeze},
	{"bpffs unmounted", 1, (*storm).unmountPins},
}

// trouble begins, or ends if it has begun: other things happen between.
func trouble(name string, begin func(*storm) (end func())) func(*storm) {
	return func(s *storm) {
		s.t.Helper()
		end := s.open[name]
		if end == nil {
			s.open[name] = begin(s)
			return
		}
		delete(s.open, name)
		end()
	}
}

// change changes an interface.
func (s *storm) change(namespace *lab.Namespace, name string, change func(netlink.Link) error) {
	s.t.Helper()
	err := namespace.Do(func() error {
		iface, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return change(iface)
	})
	if err != nil {
		s.t.Fatalf("change interface %q: %v", name, err)
	}
}

// awaitUp waits until an interface has carrier.
func (s *storm) awaitUp(namespace *lab.Namespace, name string) {
	s.t.Helper()
	labtest.Eventually(s.t, name+" is up", func() (up bool) {
		s.change(namespace, name, func(iface netlink.Link) error {
			up = iface.Attrs().OperState == netlink.OperUp
			return nil
		})
		return up
	})
}

func (s *storm) farDown() (end func()) {
	far := s.wire.far.Namespace
	s.source.disturb()
	s.change(far, "far", netlink.LinkSetDown)
	return func() {
		s.change(far, "far", netlink.LinkSetUp)
		s.awaitUp(far, "far")
		s.source.settle()
	}
}

func (s *storm) oursDown() (end func()) {
	s.change(s.wire.far.Namespace, "xdpeel0", netlink.LinkSetDown)
	return func() { s.change(s.wire.far.Namespace, "xdpeel0", netlink.LinkSetUp) }
}

func (s *storm) theirsDown() (end func()) {
	s.change(s.ids.Namespace, "xdpeel0-ids", netlink.LinkSetDown)
	return func() {
		s.reader.shaken++
		s.change(s.ids.Namespace, "xdpeel0-ids", netlink.LinkSetUp)
	}
}

func mtu(bytes int) func(netlink.Link) error {
	return func(iface netlink.Link) error { return netlink.LinkSetMTU(iface, bytes) }
}

// smallMTU has the wire take no jumbo frames.
func (s *storm) smallMTU() (end func()) {
	s.source.disturb()
	s.change(s.wire.far.Namespace, "far", mtu(1500))
	return func() {
		s.change(s.wire.far.Namespace, "far", mtu(9001))
		s.source.settle()
	}
}

// theirSmallMTU has the consumer's end take none. xdpeel has said how long a frame
// may be; what the kernel refuses it counts as redirect_failed.
func (s *storm) theirSmallMTU() (end func()) {
	s.change(s.ids.Namespace, "xdpeel0-ids", mtu(1500))
	return func() { s.change(s.ids.Namespace, "xdpeel0-ids", mtu(9216)) }
}

// diskSize is that of a disk which is not full: enough for a storm of an hour.
const diskSize = "size=1g"

// fillDisk has room for a few packets more on the disk. (The size of a tmpfs can be
// made smaller, to no less than what is in use.)
func (s *storm) fillDisk() (end func()) {
	s.t.Helper()
	room := int64(16+s.rand.IntN(64)) << 10
	labtest.Eventually(s.t, "the disk is made smaller", func() bool {
		var space unix.Statfs_t
		if err := unix.Statfs(s.disk, &space); err != nil {
			s.t.Fatal(err)
		}
		used := (int64(space.Blocks) - int64(space.Bfree)) * space.Bsize
		return unix.Mount("tmpfs", s.disk, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", used+room)) == nil
	})
	return func() {
		if err := unix.Mount("tmpfs", s.disk, "tmpfs", unix.MS_REMOUNT, diskSize); err != nil {
			s.t.Fatal(err)
		}
	}
}

// backPatience is how long it takes until the program is on an interface that is
// back: docs/run.md says two seconds, and the machine may have other things to do.
var backPatience = labtest.Slowly(4 * time.Second)

func (s *storm) remake() {
	s.t.Helper()
	s.calm()
	s.source.disturb()
	s.wire.remove(s.t)
	time.Sleep(s.some(time.Second))
	var back time.Time
	s.source.set(func() { // which looks for the interface
		s.wire.remake(s.t)
		back = time.Now()
	})
	labtest.Eventually(s.t, "the program is on the interface", func() bool { return s.hasProgram(s.wire.far.Namespace, "far") })
	took := time.Since(back)
	s.awaitReady()
	s.back = max(s.back, took)
	if took > backPatience {
		s.t.Errorf("attached again after %v", took)
	}
	s.source.settle()
}

// killWithoutInterface kills a daemon that waits for its interface: its counters are
// taken over all the same.
func (s *storm) killWithoutInterface() {
	s.t.Helper()
	s.calm()
	s.source.disturb()
	s.wire.remove(s.t)
	s.daemon.await("no packets are captured here any more")
	s.end(syscall.SIGKILL)
	s.source.set(func() { s.wire.remake(s.t) })
	s.start()
	s.awaitReady()
	s.source.settle()
}

func (s *storm) anotherReader() {
	s.t.Helper()
	s.hush()
	time.Sleep(s.some(300 * time.Millisecond))
	s.listen()
}

func (s *storm) anotherNamespace() {
	s.t.Helper()
	s.hush()
	if err := s.ids.Renew(func() { time.Sleep(s.some(time.Second)) }); err != nil {
		s.t.Fatal(err)
	}
	labtest.Eventually(s.t, "the veth is there again", func() bool {
		err := s.ids.Do(func() error { _, err := netlink.LinkByName("xdpeel0-ids"); return err })
		return err == nil
	})
	s.listen()
}

// readSocket has somebody read the socket for a moment, and go as programs do that
// are killed.
func (s *storm) readSocket() {
	s.t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.path("live.sock"), Net: "unix"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("{}\n")); err != nil {
		s.t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(s.some(300 * time.Millisecond)))
	for buffer := make([]byte, 1<<16); err == nil; {
		_, err = conn.Read(buffer)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		s.t.Errorf("the socket's stream ends: %v", err)
	}
}

func (s *storm) reload() {
	s.t.Helper()
	shape := stormShapes[s.rand.IntN(len(stormShapes))]
	before := s.shape
	s.shape = shape
	s.say("  to %s", shape.name)
	if shape.ids != before.ids && s.reader != nil { // other interfaces perhaps
		s.calm()
	}
	if complaint := s.hangUp(shape.text()); complaint != "" {
		s.shape = before
		s.t.Errorf("%s refused: %s", shape.name, complaint)
	}
}

// hangUp has the daemon read another configuration, and returns why it did not take it.
func (s *storm) hangUp(text string) (complaint string) {
	s.t.Helper()
	_, before := s.status()
	s.write(text)
	if err := s.daemon.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	var state *daemonForm
	labtest.Eventually(s.t, "the configuration is read", func() bool {
		_, state = s.status()
		last := state.Config.LastReload
		return last != nil && (before.Config.LastReload == nil || !last.At.Equal(before.Config.LastReload.At)) // the clock may go back
	})
	if state.Config.LastReload.OK != (state.Config.Generation == before.Config.Generation+1) {
		s.t.Errorf("generation %d after %d: %+v", state.Config.Generation, before.Config.Generation, state.Config.LastReload)
	}
	return state.Config.LastReload.Error
}

func (s *storm) reloadBad() {
	s.t.Helper()
	bad := badShapes[s.rand.IntN(len(badShapes))]
	s.say("  %s", bad.name)
	if complaint := s.hangUp(bad.change(s.shape.text())); !strings.Contains(complaint, bad.want) {
		s.t.Errorf("%s: complaint %q, want %q", bad.name, complaint, bad.want)
	}
}

func (s *storm) restart() {
	s.t.Helper()
	s.end(syscall.SIGTERM)
	time.Sleep(s.some(300 * time.Millisecond))
	s.start()
}

func (s *storm) killAndRestart() {
	s.t.Helper()
	s.end(syscall.SIGKILL)
	time.Sleep(s.some(300 * time.Millisecond))
	s.start()
}

func (s *storm) killInReload() {
	s.t.Helper()
	s.shape = stormShapes[s.rand.IntN(len(stormShapes))]
	s.say("  to %s", s.shape.name)
	s.look()
	s.write(s.shape.text())
	if err := s.daemon.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(s.some(20 * time.Millisecond))
	s.end(syscall.SIGKILL)
	s.start()
}

// squeeze lets the daemon have no more memory than it has, for a moment. It is not
// killed: it waits.
func (s *storm) squeeze() {
	s.t.Helper()
	limit, free := s.group.file("memory.high"), "max"
	used := s.group.file("memory.current")
	if _, err := os.Stat(limit); err != nil { // version 1
		limit, used, free = s.group.file(s.group.limitFile), s.group.file("memory.usage_in_bytes"), "-1"
		if err := os.WriteFile(s.group.file("memory.oom_control"), []byte("1"), 0); err != nil {
			s.say("  not on this kernel: %v", err)
			return
		}
	}
	text, err := os.ReadFile(used)
	if err != nil {
		s.t.Fatal(err)
	}
	bytes, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	for ; os.WriteFile(limit, strconv.AppendInt(nil, bytes, 10), 0) != nil; bytes += 1 << 20 {
	}
	time.Sleep(s.some(500 * time.Millisecond))
	if err := os.WriteFile(limit, []byte(free), 0); err != nil {
		s.t.Fatal(err)
	}
}

// unmountPins takes the pins away from under a daemon. It goes on, and says what it
// cannot do any more; the next one cannot take over, and does not start until there
// is a place for pins.
func (s *storm) unmountPins() {
	s.t.Helper()
	s.hush()
	if err := unix.Unmount(s.bpffs, unix.MNT_DETACH); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(s.some(300 * time.Millisecond))
	if complaint := s.hangUp(s.shape.text()); !strings.Contains(complaint, "pin") {
		s.t.Errorf("a reload without a bpffs: complaint %q, want one of pins", complaint)
	}
	s.rest()
	s.end(syscall.SIGTERM)
	s.past = append(s.past, s.finalLedger())
	s.last = nil
	refused := s.launch()
	if err := refused.cmd.Wait(); err == nil || !strings.Contains(refused.stderr.String(), "no bpffs") {
		s.t.Errorf("started without a bpffs: %v, said %s", err, refused.stderr)
	}
	if err := unix.Mount("bpf", s.bpffs, "bpf", 0, ""); err != nil {
		s.t.Fatal(err)
	}
	s.awaitOff()
	s.start()
	s.source.resume()
	s.listen()
}
