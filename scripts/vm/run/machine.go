package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// With a thread for each virtual CPU, QEMU 7.2 crashes kernels from 6.12 on
	// while they patch their own code, which attaching generic XDP makes them do.
	defaultAccel = "tcg,thread=single"

	cpus          = 2
	defaultMemory = 1024 // MiB

	// A panic or an oops ends the guest: -no-reboot makes QEMU leave instead of
	// booting again.
	kernelParameters = "console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off nokaslr " +
		"tsc=reliable no_timer_check random.trust_cpu=on"
)

// File descriptors of QEMU, in the order of exec.Cmd.ExtraFiles.
const (
	fdInitramfs = 3 + iota
	fdConsole
)

// machine is a guest and what is to run in it.
type machine struct {
	kernel  string        // directory with vmlinux and modules
	accel   string        // QEMU accelerator
	memory  uint          // MiB
	nics    []nic         // each kind is there twice
	timeout time.Duration // from power-on to power-off
	binary  string        // path on the host
	args    []string      // without the binary's name
	env     []string      // NAME=VALUE
	dir     string        // working directory in the guest
	files   []file
}

// file is a file or directory to be copied into the guest.
type file struct{ from, to string }

// run boots the machine and returns the binary's exit code (128 + the signal
// that ended it), or exitGuestFailed and an error. stdout gets the binary's
// output as it comes, console the kernel's messages at the end. Nothing outlives
// run: QEMU dies with the calling thread, and what it reads is in memory.
func (m *machine) run(ctx context.Context, stdout, console io.Writer) (int, error) {
	initramfs, err := memoryFile("initramfs")
	if err != nil {
		return exitGuestFailed, err
	}
	defer initramfs.Close()
	if err := m.writeInitramfs(initramfs); err != nil {
		return exitGuestFailed, fmt.Errorf("write initramfs: %w", err)
	}
	messages, err := memoryFile("console")
	if err != nil {
		return exitGuestFailed, err
	}
	defer messages.Close()

	ctx, cancel := context.WithTimeoutCause(ctx, m.timeout, fmt.Errorf("no end after %v", m.timeout))
	defer cancel()
	code, err := m.boot(ctx, stdout, initramfs, messages)
	text, _ := io.ReadAll(io.NewSectionReader(messages, 0, 1<<30))
	console.Write(bytes.ReplaceAll(text, []byte("\r"), nil))
	return code, err
}

// boot runs QEMU to its end.
func (m *machine) boot(ctx context.Context, stdout io.Writer, initramfs, console *os.File) (int, error) {
	runtime.LockOSThread() // which Pdeathsig refers to
	defer runtime.UnlockOSThread()
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", m.qemuArguments()...)
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	qemu.ExtraFiles = []*os.File{initramfs, console}
	qemu.Stderr = os.Stderr
	serial, err := qemu.StdoutPipe()
	if err != nil {
		return exitGuestFailed, fmt.Errorf("start QEMU: %w", err)
	}
	if err := qemu.Start(); err != nil {
		return exitGuestFailed, fmt.Errorf("start QEMU: %w", err)
	}
	code, verdict := relay(serial, stdout)
	ended := qemu.Wait()
	switch {
	case verdict:
		return code, nil
	case ctx.Err() != nil:
		return exitGuestFailed, fmt.Errorf("run guest: %w", context.Cause(ctx))
	case ended != nil:
		return exitGuestFailed, fmt.Errorf("run QEMU: %w", ended)
	}
	return exitGuestFailed, errors.New("run guest: it ended without a verdict, as after a kernel panic")
}

func (m *machine) qemuArguments() []string {
	descriptor := func(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
	args := []string{
		"-accel", m.accel, "-cpu", "max", "-machine", "q35", "-m", strconv.FormatUint(uint64(m.memory), 10), "-smp", strconv.Itoa(cpus),
		"-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(m.kernel, "vmlinux"), "-append", kernelParameters,
		"-initrd", descriptor(fdInitramfs),
		"-serial", "file:" + descriptor(fdConsole), // ttyS0
		"-serial", "stdio", // ttyS1: the binary
	}
	for _, n := range m.nics {
		args = append(args, n.qemuArguments()...)
	}
	return args
}

// memoryFile returns a file that needs no name and no removal.
func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create memory file %q: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
