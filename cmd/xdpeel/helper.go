package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/xdpeel/xdpeel/loader"
)

// shed gives up what a daemon needs no more once it is attached: a helper makes the maps
// of later policies, and makes and removes consumers' veths.
func (d *daemon) shed() error {
	helper := exec.Command("/proc/self/exe", helperVerb)
	helper.Args[0] = "xdpeel" // as `ps` has it
	if err := d.program.Delegate(helper); err != nil {
		return err
	}
	return shed(ofFiles...)
}

// checkHelper says once that the helper is gone.
func (d *daemon) checkHelper() {
	if d.helperGone || !d.program.HelperGone() {
		return
	}
	d.helperGone = true
	d.log.Error("the helper is gone: no reload can succeed, and no veth be made anew; packets go on", "hint", helperRemedy)
}

// helperVerb is the verb of the helper; nobody but a daemon uses it.
const helperVerb = "helper"

func runHelper(env *environment) error {
	if !env.alone {
		return errors.New(helperVerb + " is a process of its own")
	}
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // it ends when the daemon does
	var keep []cap.Value
	for _, capability := range loader.HelperCapabilities {
		keep = append(keep, cap.Value(capability))
	}
	if err := shed(keep...); err != nil {
		return err
	}
	return loader.ServeHelper()
}

// helperRemedy is what to do about a helper that is gone. The daemon has no capabilities
// to start another one with.
const helperRemedy = "restart xdpeel: its helper was killed, perhaps for want of memory; with `on_exit: keep` a restart loses nothing"
