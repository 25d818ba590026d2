package suricata

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/xdpeel/xdpeel/lab"
)

// patience is how long Suricata may take for what it does within a second or two.
const patience = 30 * time.Second

// Live is a Suricata that reads interfaces.
type Live struct {
	directory string
	command   *exec.Cmd
	said      lab.Transcript
	ended     chan struct{} // closed once the process has ended
	endErr    error
}

// Start starts Suricata on interfaces of a namespace, in a directory that is empty,
// and returns when it reads all of them. The caller ends it by Stop or Kill.
func Start(ctx context.Context, namespace *lab.Namespace, directory string, interfaces ...string) (*Live, error) {
	if err := prepare(directory, interfaces); err != nil {
		return nil, fmt.Errorf("prepare Suricata: %w", err)
	}
	l := &Live{directory: directory, ended: make(chan struct{})}
	l.command = exec.Command("suricata", append(arguments(directory), "--runmode", "workers", "--af-packet")...)
	l.command.Stdout, l.command.Stderr = &l.said, &l.said
	if err := namespace.Start(l.command); err != nil {
		return nil, err
	}
	go func() {
		l.endErr = l.command.Wait()
		close(l.ended)
	}()
	if err := l.await(ctx, "Engine started"); err != nil {
		l.Kill()
		return nil, fmt.Errorf("start Suricata: %w: %s", err, l.said.String())
	}
	return l, nil
}

// await waits until Suricata has said something. It says that its engine has
// started once all its threads have opened their sockets.
func (l *Live) await(ctx context.Context, words string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !strings.Contains(l.said.String(), words) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("await %q: %w", words, context.Cause(ctx))
		case <-l.ended:
			return fmt.Errorf("it ended: %w", l.endErr)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// Await waits until Suricata has decoded, or the kernel has dropped, so many packets
// of each interface. Suricata counts them once a second.
func (l *Live) Await(ctx context.Context, packets map[string]uint64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		counters, err := l.counters()
		if err != nil {
			return err
		}
		missing := ""
		for name, want := range packets {
			if c := counters[name]; c.Decoded+c.Drops < want {
				missing = fmt.Sprintf("%d packets of %s, decoded %d and dropped %d", want, name, c.Decoded, c.Drops)
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w", missing, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Signal sends Suricata a signal.
func (l *Live) Signal(signal syscall.Signal) error {
	if err := l.command.Process.Signal(signal); err != nil {
		return fmt.Errorf("signal Suricata: %w", err)
	}
	return nil
}

// Stop ends Suricata as an operator does, and returns what it has found.
func (l *Live) Stop() (*Findings, error) {
	if err := l.end(syscall.SIGTERM); err != nil {
		return nil, fmt.Errorf("stop Suricata: %w: %s", err, l.said.String())
	}
	return readFindings(l.directory)
}

func (l *Live) end(signal syscall.Signal) error {
	if err := l.Signal(signal); err != nil {
		return err
	}
	select {
	case <-l.ended:
		return l.endErr
	case <-time.After(patience):
		l.Kill()
		return fmt.Errorf("still there %s after signal %d", patience, signal)
	}
}

// Kill ends Suricata at once; what it has found is lost. After Stop it does nothing.
func (l *Live) Kill() {
	_ = l.command.Process.Kill() // fails only if it has ended
	<-l.ended
}

func (l *Live) socket() string { return filepath.Join(l.directory, socketFile) }
