package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/xdpeel/xdpeel/lab"
)

const (
	startPatience = 20 * time.Second
	stopPatience  = 10 * time.Second
)

// startError says that a program did not begin to capture.
type startError struct{ program, words string }

func (e *startError) Error() string { return fmt.Sprintf("%s does not start: %s", e.program, e.words) }

// Process is a contender's program that runs on the receiver's CPU.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait, once ended

	mu     sync.Mutex
	speech bytes.Buffer // what it says
	wanted string       // what it says once it captures
	ready  chan struct{}
}

// StartProcess starts a command in a namespace and waits until it has said that
// it is ready. Its error has what the program said instead.
func StartProcess(ns *lab.Namespace, command []string, ready string) (*Process, error) {
	p := &Process{
		cmd:   exec.Command(command[0], command[1:]...),
		ended: make(chan struct{}), ready: make(chan struct{}), wanted: ready,
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	// An interrupt from the terminal is for the benchmark, which ends the others.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := ns.Do(func() error { return lab.OnCPU(receiverCPU, p.cmd.Start) })
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", command[0], err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.ended) }()
	select {
	case <-p.ready:
		return p, nil
	case <-p.ended:
		return nil, &startError{filepath.Base(command[0]), p.lastWords()}
	case <-time.After(startPatience):
		words := fmt.Sprintf("not ready after %s: %s", startPatience, p.lastWords())
		_ = p.Stop() // what it says of its end is of no use
		return nil, &startError{filepath.Base(command[0]), words}
	}
}

// Write takes what the program says.
func (p *Process) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := strings.Contains(p.speech.String(), p.wanted)
	p.speech.Write(data)
	if !before && strings.Contains(p.speech.String(), p.wanted) {
		close(p.ready)
	}
	return len(data), nil
}

// lastWords returns the last line that the program said.
func (p *Process) lastWords() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(p.speech.String()), "\n")
	return lines[len(lines)-1]
}

// Stop interrupts the program and waits for its end. It is killed if it does not
// obey, which is an error.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended by itself
	select {
	case <-p.ended:
	case <-time.After(stopPatience):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not end within %s", p.cmd.Path, stopPatience)
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", p.cmd.Path, p.err, p.lastWords())
	}
	return nil
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// isRunnable says whether a thread of the process has something to do: it runs,
// waits for its CPU or for a disk.
func isRunnable(pid int) (bool, error) {
	directory := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(directory)
	if err != nil {
		return false, fmt.Errorf("list threads: %w", err)
	}
	for _, task := range tasks {
		stat, err := os.ReadFile(directory + "/" + task.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		// The name in parentheses may hold anything; the state is behind it.
		_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
		if len(rest) > 0 && (rest[0] == 'R' || rest[0] == 'D') {
			return true, nil
		}
	}
	return false, nil
}
