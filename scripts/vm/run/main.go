// Run boots a kernel in a throw-away QEMU guest, runs one static Linux binary
// in it as root, and exits with the binary's exit code:
//
//	run -kernel ~/.cache/xdpeel/kernels/6.1.0-56-cloud-amd64 ./loader.test -test.v
//
// The guest has no disk, no shell and no other program: its whole file system is
// an initramfs of this executable (which is the guest's init as well), the
// binary, the files that -add names and the kernel modules. The binary's output
// goes to stdout, the kernel's messages go to stderr once the guest is off. Exit
// status 125 means that the guest itself failed: a kernel panic, a timeout, no
// QEMU.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// exitGuestFailed is the status of a guest that ended without a verdict.
const exitGuestFailed = 125

// firstProcess is what the kernel starts the initramfs's /init as.
const firstProcess = 1

func main() {
	if os.Getpid() == firstProcess {
		guestMain()
		return
	}
	m, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	code, err := m.run(ctx, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
	}
	os.Exit(code)
}

// parseFlags makes a machine of the command line.
func parseFlags(args []string) (*machine, error) {
	m := &machine{}
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&m.kernel, "kernel", "", "`directory` with vmlinux and modules, as fetch-kernel.sh makes it")
	flags.StringVar(&m.accel, "accel", defaultAccel, "QEMU's `accelerator`, such as kvm")
	flags.UintVar(&m.memory, "memory", defaultMemory, "the guest's memory in `MiB`")
	flags.DurationVar(&m.timeout, "timeout", 10*time.Minute, "the guest is killed after this long")
	flags.StringVar(&m.dir, "dir", "/tmp", "`directory` in the guest where the binary runs")
	flags.Func("nics", "`kinds` of network cards, separated by commas: "+nicKinds(), func(list string) (err error) {
		m.nics, err = parseNICs(list)
		return err
	})
	flags.Func("env", "`NAME=VALUE` in the binary's environment (repeatable)", func(pair string) error {
		m.env = append(m.env, pair)
		return nil
	})
	flags.Func("add", "`HOST:GUEST` puts a file or directory into the guest (repeatable)", func(pair string) error {
		from, to, ok := strings.Cut(pair, ":")
		if !ok {
			return errors.New("wants HOST:GUEST")
		}
		m.files = append(m.files, file{from: from, to: to})
		return nil
	})
	flags.SetOutput(io.Discard) // errors are printed by main
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(os.Stdout)
			flags.PrintDefaults()
		}
		return nil, err
	}
	if m.kernel == "" || flags.NArg() == 0 {
		return nil, errors.New("wants -kernel and, behind all flags, a binary with its arguments")
	}
	m.binary, m.args = flags.Arg(0), flags.Args()[1:]
	return m, nil
}
