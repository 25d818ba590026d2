package export

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Command is run for each file that is complete, with the file's name behind its
// arguments; never by a shell.
type Command struct {
	Arguments []string // the program first; none: no command
	Timeout   time.Duration
}

// commandsWaiting is how many files may wait for their command.
const commandsWaiting = 1024

// saidBytes is how much is told of what a command printed that failed.
const saidBytes = 2 << 10

// run runs the command for a file, and kills it with its children when its time is
// over. The error has what it printed.
func (c Command) run(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	command := exec.CommandContext(ctx, c.Arguments[0], append(c.Arguments[1:len(c.Arguments):len(c.Arguments)], path)...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	said := &tail{}
	command.Stdout, command.Stderr = said, said
	err := command.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("it took longer than %v", c.Timeout)
	}
	if err != nil {
		return fmt.Errorf("run %q: %w: %s", strings.Join(command.Args, " "), err, said.text)
	}
	return nil
}

// tail keeps the last saidBytes of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-saidBytes):]
	return len(p), nil
}
