package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab/labtest"
)

// machineEvents happen to a whole machine: in a guest, which may be used up.
var machineEvents = []stormEvent{
	{"clock set while packets flow to the files", 3, (*storm).setClockAndLook},
	{"clock set", 2, (*storm).setClock},
	{"second CPU off or on", 4, trouble("second CPU off or on", (*storm).secondCPUOff)},
	{"less memory for the daemon than it has", 1, (*storm).starve},
	{"no memory left", 1, (*storm).exhaust},
}

// inGuest says whether the machine is a guest of scripts/vm. Where the environment says
// so and nothing else does, it fails.
func inGuest(t *testing.T) bool {
	t.Helper()
	if !labtest.IsGuest() {
		return false
	}
	_, err := os.Stat("/job.json")
	first, _ := os.Readlink("/proc/1/exe")
	if err != nil || first != "/init" || os.Getppid() != 1 {
		t.Fatalf("XDPEEL_VM is set, and this is no guest of scripts/vm: %v, first process %q, parent %d", err, first, os.Getppid())
	}
	return true
}

// clockSteps are those that a packet in a file of the output `all` has to tell of.
type clockSteps struct {
	want   []time.Duration
	unsure bool // whether the clock was set and nobody looked: the next step may be told of together with that
}

// stepClock sets the clock by up to an hour, either way.
func (s *storm) stepClock() (by time.Duration) {
	s.t.Helper()
	by = time.Second + s.some(time.Hour)
	if s.rand.IntN(2) == 0 {
		by = -by
	}
	s.say("  by %v", by)
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_REALTIME, &now)
	if err == nil {
		now = unix.NsecToTimespec(now.Nano() + by.Nanoseconds())
		err = unix.ClockSettime(unix.CLOCK_REALTIME, &now)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return by
}

// setClock sets it amid whatever there is.
func (s *storm) setClock() {
	s.t.Helper()
	s.steps.unsure = true
	s.stepClock()
}

// setClockAndLook sets it, and waits until a file has packets of the time after.
func (s *storm) setClockAndLook() {
	s.t.Helper()
	s.calm()
	if s.shape.silent {
		s.shape = stormShapes[0]
		if complaint := s.hangUp(s.shape.text()); complaint != "" {
			s.t.Errorf("refused: %s", complaint)
		}
	}
	s.awaitDelivered() // by the time before, of what was set unseen
	by := s.stepClock()
	time.Sleep(3 * time.Second) // the daemon compares its clocks every second
	s.awaitDelivered()
	time.Sleep(500 * time.Millisecond) // it has it on the disk
	if !s.steps.unsure {
		s.steps.want = append(s.steps.want, by)
	}
	s.steps.unsure = false
}

// awaitDelivered waits until more packets have come to the output of all.
func (s *storm) awaitDelivered() {
	s.t.Helper()
	before, _ := s.status()
	labtest.Eventually(s.t, "packets are delivered", func() bool {
		now, _ := s.status()
		return now.Outputs["all"].Delivered > before.Outputs["all"].Delivered
	})
}

var clockRemark = regexp.MustCompile(`the clock was set (forward|back) by ([0-9.]+) s before this packet`)

// checkClock looks for every step of the clock in the files.
func (s *storm) checkClock() {
	s.t.Helper()
	var told []float64 // in seconds
	paths, _ := filepath.Glob(filepath.Join(s.disk, "all*"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, remark := range clockRemark.FindAllSubmatch(text, -1) {
			seconds, _ := strconv.ParseFloat(string(remark[2]), 64)
			if string(remark[1]) == "back" {
				seconds = -seconds
			}
			told = append(told, seconds)
		}
	}
next:
	for _, by := range s.steps.want {
		for _, seconds := range told {
			if distance := seconds - by.Seconds(); -0.5 < distance && distance < 0.5 {
				continue next
			}
		}
		s.t.Errorf("no packet in %d files tells that the clock was set by %v, but by %v", len(paths), by, told)
	}
}

func (s *storm) secondCPUOff() (end func()) {
	const online = "/sys/devices/system/cpu/cpu1/online"
	write := func(state string) {
		s.t.Helper()
		if err := os.WriteFile(online, []byte(state), 0); err != nil {
			s.t.Fatal(err)
		}
	}
	write("0")
	return func() { write("1") }
}

// starve lets the daemon's group have less memory than it has, until the kernel kills
// all processes in it.
func (s *storm) starve() {
	s.t.Helper()
	s.look()
	write := func(name, value string) {
		s.t.Helper()
		if err := os.WriteFile(s.group.file(name), []byte(value), 0); err != nil {
			s.t.Fatal(err)
		}
	}
	write("memory.oom.group", "1")
	write("memory.max", "1M")
	err := s.daemon.cmd.Wait()
	if status := s.daemon.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		s.t.Errorf("%v, want it killed; said %s", err, s.daemon.stderr)
	}
	s.kills++
	write("memory.max", "max")
	s.start()
}

// exhaust has another process take all memory, until the kernel kills that, and perhaps
// the daemon or its helper, too. The kernel itself then loses packets on their way to the
// program, and from there to a consumer.
func (s *storm) exhaust() {
	s.t.Helper()
	s.hush()
	s.look()
	s.source.disturb()
	hog := exec.Command("/proc/self/exe")
	hog.Env = append(os.Environ(), hogVariable+"=1")
	said := new(strings.Builder)
	hog.Stderr = said
	err := hog.Run()
	status, ended := hog.ProcessState.Sys().(syscall.WaitStatus)
	if !ended || status.Signal() != syscall.SIGKILL {
		s.t.Errorf("a process took all memory and ended with %v, want it killed; said %s", err, said)
	}
	time.Sleep(2 * time.Second) // what that had is free again
	switch {
	case isGone(s.daemon.cmd.Process.Pid):
		s.say("  the daemon is killed")
		s.daemon.cmd.Wait()
		s.kills++
		s.start()
	case s.helperGone():
		s.say("  the helper is killed")
		s.restart()
	}
	s.awaitReady()
	s.source.settle()
	s.listen()
}

func (s *storm) helperGone() bool {
	s.t.Helper()
	_, state := s.status()
	return state.HelperGone
}

// Whom the kernel kills when there is no memory. Processes have it from their parents.
const (
	spareMe  = "-1000"
	likeMost = "0"
	killMe   = "1000"
)

func spare(how string) error { return os.WriteFile("/proc/self/oom_score_adj", []byte(how), 0) }

// takeAllMemory does so until it is killed.
func takeAllMemory() error {
	if err := spare(killMe); err != nil {
		return err
	}
	const size = 16 << 20
	for {
		taken, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
		if err != nil {
			return fmt.Errorf("take memory: %w", err)
		}
		taken[0] = 1
	}
}
