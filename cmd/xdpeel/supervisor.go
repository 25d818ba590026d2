package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// supervisor is the service manager, by the protocol of sd_notify(3). The zero value
// is none: a daemon that was started by hand.
type supervisor struct {
	socket   string
	watchdog time.Duration // within which it wants to hear of us; 0: it does not mind
	heardAt  time.Time     // it, of us
}

// findSupervisor looks for the service manager in the environment.
func findSupervisor() *supervisor {
	s := &supervisor{socket: os.Getenv("NOTIFY_SOCKET")}
	if strings.HasPrefix(s.socket, "@") {
		s.socket = "\x00" + s.socket[1:]
	}
	microseconds, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if pid := os.Getenv("WATCHDOG_PID"); err == nil && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.watchdog = time.Duration(microseconds) * time.Microsecond
	}
	return s
}

// tell tells the service manager what the daemon does. It is not the daemon's
// business if that does not listen.
func (s *supervisor) tell(lines ...string) {
	if s.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	conn.Write([]byte(strings.Join(lines, "\n")))
}

func (s *supervisor) ready(status string) { s.tell("READY=1", "STATUS="+status) }

func (s *supervisor) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		s.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1e3))
	}
}

// stopping asks for as much time as the end takes, beyond what the last writes may take.
func (s *supervisor) stopping(drain time.Duration) {
	s.tell("STOPPING=1", "STATUS=draining", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (drain+lastWrites).Microseconds()))
}

// lastWrites is how long the end of a daemon may take once it has drained.
const lastWrites = 60 * time.Second

// alive is called often, while all goes well; it lets the service manager hear of us
// three times as often as that wants to.
func (s *supervisor) alive(now time.Time) {
	if s.watchdog > 0 && now.Sub(s.heardAt) >= s.watchdog/3 {
		s.heardAt = now
		s.tell("WATCHDOG=1")
	}
}
