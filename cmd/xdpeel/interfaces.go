package main

import (
	"cmp"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
)

const (
	// checkInterval is how often it is looked whether the program is still on its
	// interface, and after all else that goes away by itself.
	checkInterval = 500 * time.Millisecond
	// retryInterval is how soon what refused is tried again: an interface that could
	// not be attached to, an output that took no packets.
	retryInterval = time.Second
)

// watchedInterface is an interface that the program belongs on. One goroutine
// attaches to it, in the network namespace where the interface is; any may ask how
// it is.
type watchedInterface struct {
	name string
	wish loader.Mode
	log  *slog.Logger

	refusal  string    // why it cannot be attached to, as logged last
	wasBusy  bool      // a program that may go away by itself was on it at the check before
	retryAt  time.Time // after a refusal
	takenOff bool      // somebody took the program off, and will have had a reason

	mu         sync.Mutex
	attachment *loader.Attachment // nil: not attached
	mode       loader.Mode        // of the attachment, or of the last one
}

func watch(name string, wish loader.Mode, log *slog.Logger) *watchedInterface {
	return &watchedInterface{name: name, wish: wish, mode: wish, log: log.With("interface", name)}
}

// attach puts the program on the interface, by Attach or AttachNow.
func (w *watchedInterface) attach(by func(string, loader.Mode) (*loader.Attachment, error)) error {
	attachment, err := by(w.name, w.wish)
	if err != nil {
		return err
	}
	for _, refusal := range attachment.Refusals {
		w.log.Warn("a better mode is not to be had", "reason", refusal.String(), "hint", cmp.Or(refusal.Remedy, "`xdpeel doctor -i "+w.name+"` tells more"))
	}
	w.refusal, w.wasBusy = "", false
	w.set(attachment)
	w.log.Info("attached", "mode", attachment.Mode, "adopted", attachment.Adopted)
	return nil
}

func (w *watchedInterface) set(attachment *loader.Attachment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attachment = attachment
	if attachment != nil {
		w.mode = attachment.Mode
	}
}

// check looks whether the program is on its interface, and puts it there again if
// the interface had gone away and is back.
func (w *watchedInterface) check(program *loader.Program, now time.Time) {
	if w.attachment == nil {
		w.attachAgain(program, now)
		return
	}
	err := w.attachment.Check()
	if err == nil {
		return
	}
	w.takenOff = errors.Is(err, loader.ErrTakenOff)
	hint := "xdpeel comes back when the interface does"
	if w.takenOff {
		hint = "somebody took the program off: restart xdpeel to have it on again"
	}
	w.log.Error("no packets are captured here any more", "error", err, "waits_for_interface", !w.takenOff, "hint", hint)
	end := w.leave // its pin stays, or the next daemon would take what is pinned for unfinished
	if w.takenOff {
		end = w.detach
	}
	if err := end(); err != nil {
		w.log.Error("attachment is not closed in order", "error", err, "hint", "`bpftool net` tells whether the program is still on")
	}
}

// attachAgain tries to attach. An interface that is not there is looked for at
// every check; one that refuses costs more to ask, and is not asked so often. It does
// not wait, since its caller has more to look after.
func (w *watchedInterface) attachAgain(program *loader.Program, now time.Time) {
	if w.takenOff || now.Before(w.retryAt) {
		return
	}
	err := w.attach(program.AttachNow)
	if err == nil || errors.Is(err, loader.ErrNoInterface) {
		return
	}
	if occupied := (*loader.OccupiedError)(nil); errors.As(err, &occupied) && occupied.MayGo() && !w.wasBusy {
		w.wasBusy = true // until the next check it may be free
		return
	}
	w.wasBusy = false
	w.retryAt = now.Add(retryInterval)
	if err.Error() != w.refusal {
		w.refusal = err.Error()
		w.log.Error("interface cannot be attached to", "error", err, "hint", hintOf(explainLoader(err)))
	}
}

// detach takes the program off. When it returns, no frame is judged there any more.
func (w *watchedInterface) detach() error {
	attachment := w.attachment
	if attachment == nil {
		return nil
	}
	w.set(nil)
	return attachment.Close()
}

// leave lets go of the program, which stays where it is.
func (w *watchedInterface) leave() error {
	attachment := w.attachment
	if attachment == nil {
		return nil
	}
	w.set(nil)
	return attachment.Leave()
}

func (w *watchedInterface) reading() export.InterfaceReading {
	w.mu.Lock()
	defer w.mu.Unlock()
	return export.InterfaceReading{Name: w.name, Mode: string(w.mode), Attached: w.attachment != nil}
}
