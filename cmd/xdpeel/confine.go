package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/loader"
)

// confine has no thread of this process get more privileges than it has, whatever
// it may execute: no program's set-user-ID bit and no file's capabilities count.
func confine() error {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forgo new privileges: %w", err)
	}
	return nil
}

// ofFiles are the capabilities that root has over others' files, and goes on to need
// for those that it writes.
var ofFiles = []cap.Value{cap.CHOWN, cap.DAC_OVERRIDE, cap.DAC_READ_SEARCH, cap.FOWNER, cap.FSETID}

// ofVeths are those that it takes to make a consumer's veth anew, in whatever network
// namespace, and the programs at its ends.
var ofVeths = []cap.Value{cap.BPF, cap.PERFMON, cap.NET_ADMIN, cap.NET_RAW, cap.SYS_ADMIN}

// shed gives up, for all threads and for good, every capability but the named ones.
func shed(keep ...cap.Value) error {
	have, left := cap.GetProc(), cap.NewSet()
	for _, value := range keep {
		for _, flag := range []cap.Flag{cap.Permitted, cap.Effective} {
			has, err := have.GetFlag(flag, value)
			if err == nil {
				err = left.SetFlag(flag, has, value)
			}
			if err != nil {
				return fmt.Errorf("look at capabilities: %w", err)
			}
		}
	}
	if err := left.SetProc(); err != nil {
		return hinted(fmt.Errorf("give up capabilities: %w", err), "a filter of system calls has to let capset(2) through")
	}
	return nil
}

// shed gives up what a daemon needs no more once it is attached: a helper, which can do
// nothing else, makes the maps of later policies. Consumers' veths can be looked after
// by the privileged alone.
func (d *daemon) shed(c *config.Config) error {
	if has(c, config.OutputVeth) {
		d.log.Info("capabilities are kept, for the outputs of type veth")
		return shed(slices.Concat(ofFiles, ofVeths)...)
	}
	maker, err := loader.StartMapMaker(exec.Command("/proc/self/exe", makerVerb))
	if err != nil {
		return err
	}
	if err := d.program.Delegate(maker); err != nil {
		return err
	}
	keep := slices.Clone(ofFiles)
	if has(c, config.OutputAFPacket) {
		keep = append(keep, cap.NET_RAW)
	}
	if err := shed(keep...); err != nil {
		return err
	}
	d.bare = true
	return nil
}

// checkPrivileges refuses outputs that a daemon without its capabilities cannot open.
func (d *daemon) checkPrivileges(after *config.Config) error {
	for _, t := range []config.OutputType{config.OutputVeth, config.OutputAFPacket} {
		if d.bare && has(after, t) && !has(d.current().config, t) {
			return fmt.Errorf("the first output of type %s takes capabilities that xdpeel gave up when it had started: restart it", t)
		}
	}
	return nil
}

func has(c *config.Config, t config.OutputType) bool {
	return slices.ContainsFunc(c.Outputs, func(o config.Output) bool { return o.Type == t })
}

// makerVerb is the verb of the helper that makes maps; nobody but a daemon uses it.
const makerVerb = "make-maps"

func runMaker(env *environment) error {
	if !env.alone {
		return errors.New("make-maps is a process of its own")
	}
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // it ends when the daemon does
	if err := shed(cap.BPF); err != nil {
		return err
	}
	return loader.ServeMaps()
}
