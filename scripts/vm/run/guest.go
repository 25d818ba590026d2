package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// guestMain is the guest's first process. It ends with the guest.
func guestMain() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err) // to the kernel's console
	}
	unix.Sync()
	// Without a way to switch off, returning makes the kernel panic, which ends the guest too.
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// serve runs the job and gives its verdict.
func serve() error {
	if err := mountAll(); err != nil {
		return err
	}
	serial, err := openSerial("/dev/ttyS1")
	if err != nil {
		return err
	}
	code, err := runJob(serial)
	if err != nil {
		return err
	}
	if err := writeVerdict(serial, code); err != nil {
		return err
	}
	return drain(serial)
}

func mountAll() error {
	for _, m := range []struct{ kind, dir string }{
		{"devtmpfs", "/dev"}, {"devpts", "/dev/pts"}, {"tmpfs", "/dev/shm"},
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"bpf", "/sys/fs/bpf"}, {"cgroup2", "/sys/fs/cgroup"},
		{"debugfs", "/sys/kernel/debug"}, {"tracefs", "/sys/kernel/tracing"},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		// The kernel may have mounted /dev itself.
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	// Groups that are made may have their memory limited.
	if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory"), 0); err != nil {
		return fmt.Errorf("let control groups limit memory: %w", err)
	}
	return nil
}

// openSerial opens a line that passes every byte on as it is.
func openSerial(name string) (*os.File, error) {
	serial, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	settings, err := unix.IoctlGetTermios(int(serial.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("set up %s: %w", name, err)
	}
	settings.Oflag &^= unix.OPOST
	settings.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(int(serial.Fd()), unix.TCSETS, settings); err != nil {
		return nil, fmt.Errorf("set up %s: %w", name, err)
	}
	return serial, nil
}

// drain waits until the last byte has left the guest.
func drain(serial *os.File) error {
	return unix.IoctlSetInt(int(serial.Fd()), unix.TCSBRK, 1)
}

// runJob returns the exit code of the job's command.
func runJob(output io.Writer) (int, error) {
	text, err := os.ReadFile(jobPath)
	if err != nil {
		return 0, err
	}
	var j job
	if err := json.Unmarshal(text, &j); err != nil {
		return 0, fmt.Errorf("read %s: %w", jobPath, err)
	}
	for _, name := range j.Modules {
		if err := loadModule(name); err != nil {
			return 0, fmt.Errorf("load %s: %w", name, err)
		}
	}
	if err := setUp("lo"); err != nil {
		return 0, err
	}
	for _, dir := range []string{"/tmp", "/run", j.Dir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 0, err
		}
	}
	command := exec.Command(j.Command[0], j.Command[1:]...)
	command.Env = append([]string{"PATH=/bin", "HOME=/tmp"}, j.Env...)
	command.Dir = j.Dir
	command.Stdout, command.Stderr = output, output
	return exitCode(command.Run())
}

// exitCode says of a command that ran what a shell would: 128 and the signal's
// number if one ended it.
func exitCode(ended error) (int, error) {
	var failed *exec.ExitError
	if !errors.As(ended, &failed) {
		return 0, ended
	}
	if status := failed.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return failed.ExitCode(), nil
}

func loadModule(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}

// setUp sets a network interface up.
func setUp(name string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("set %q up: %w", name, err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("set %q up: %w", name, err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("set %q up: %w", name, err)
	}
	return nil
}
