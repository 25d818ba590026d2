package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/mirror"
)

// instructionsMax is how long a filter the kernel takes (BPF_MAXINSNS of
// linux/bpf_common.h). tcpdump itself goes through longer ones for each packet that
// the kernel has copied out to it.
const instructionsMax = 4096

// compilePatience is how long tcpdump may take to compile an expression.
const compilePatience = time.Minute

// newSocketFilter makes a namespace with a packet socket, as tcpdump opens one,
// that has the filter which tcpdump makes of the rules.
func newSocketFilter(rules []mirror.Rule) (_ *hostFilter, err error) {
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 262_144}}
	if rules != nil {
		if program, err = compileExpression(tcpdumpExpression(rules)); err != nil {
			return nil, err
		}
	}
	if len(program) > instructionsMax {
		return nil, &filterRefusal{fmt.Sprintf("tcpdump makes %d instructions of %d rules, and the kernel takes %d",
			len(program), len(rules), instructionsMax)}
	}
	ns, err := lab.NewNamespace("xdpeel-bench-tcpdump")
	if err != nil {
		return nil, err
	}
	var socket int
	err = ns.Do(func() (err error) {
		socket, err = openFilteredSocket(program)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	f := &hostFilter{ns: ns, closer: func() error { return unix.Close(socket) }}
	f.taken = newSocketCounter(socket)
	return f, nil
}

// openFilteredSocket opens a socket for all packets of the calling thread's
// namespace that the program takes. Nobody reads it, and it has next to no room:
// the packets cost their filtering and the counting of their loss.
func openFilteredSocket(program []unix.SockFilter) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("open packet socket: %w", err)
	}
	for _, prepare := range []func() error{
		func() error { return shrinkSocket(fd) },
		func() error { return attachFilter(fd, program) },
		func() error { return bindToAll(fd) },
	} {
		if err := prepare(); err != nil {
			return -1, errors.Join(err, unix.Close(fd))
		}
	}
	return fd, nil
}

func shrinkSocket(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		return fmt.Errorf("shrink packet socket: %w", err)
	}
	return nil
}

func attachFilter(fd int, program []unix.SockFilter) error {
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &filter)
	if errors.Is(err, unix.ENOMEM) {
		return &filterRefusal{fmt.Sprintf("the kernel gives a socket no room for a filter of %d instructions (net.core.optmem_max)", len(program))}
	}
	if err != nil {
		return fmt.Errorf("attach filter of %d instructions: %w", len(program), err)
	}
	return nil
}

func bindToAll(fd int) error {
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL)}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

// newSocketCounter returns what counts the packets that a socket's filter took,
// those included that it had no room for. The kernel counts from 0 after each look.
func newSocketCounter(fd int) func() (uint64, error) {
	var total uint64
	return func() (uint64, error) {
		statistics, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err != nil {
			return 0, fmt.Errorf("read statistics of packet socket: %w", err)
		}
		total += uint64(statistics.Packets)
		return total, nil
	}
}

// tcpdumpExpression writes rules as one tcpdump expression. It is right for rules
// that all accept.
func tcpdumpExpression(rules []mirror.Rule) string {
	terms := make([]string, len(rules))
	for i := range rules {
		r := &rules[i]
		terms[i] = fmt.Sprintf("(src net %s and dst net %s and %s dst portrange %s)",
			r.Source, r.Destination, protocolName(r), portRange(r.DestinationPorts))
	}
	return strings.Join(terms, " or ")
}

// compileExpression has tcpdump compile an expression for Ethernet, optimised.
func compileExpression(expression string) (program []unix.SockFilter, err error) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		return nil, &filterRefusal{"tcpdump is not installed"}
	}
	file, err := os.CreateTemp("", "xdpeel-bench-*.filter")
	if err != nil {
		return nil, fmt.Errorf("write expression: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = file.WriteString(expression)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("write expression: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), compilePatience)
	defer cancel()
	said, err := exec.CommandContext(ctx, "tcpdump", "-y", "EN10MB", "-ddd", "-F", file.Name()).Output()
	if ctx.Err() != nil {
		return nil, &filterRefusal{fmt.Sprintf("tcpdump does not compile the rules within %s", compilePatience)}
	}
	if err != nil {
		return nil, fmt.Errorf("compile expression: %w", err)
	}
	return parseInstructions(said)
}

// parseInstructions reads what `tcpdump -ddd` prints: how many instructions, and
// then a line of decimal numbers for each.
func parseInstructions(text []byte) (program []unix.SockFilter, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Scan()
	for lines.Scan() {
		var i unix.SockFilter
		if _, err := fmt.Sscan(lines.Text(), &i.Code, &i.Jt, &i.Jf, &i.K); err != nil {
			return nil, fmt.Errorf("read instruction %q: %w", lines.Text(), err)
		}
		program = append(program, i)
	}
	if len(program) == 0 {
		return nil, errors.New("tcpdump printed no instructions")
	}
	return program, nil
}
