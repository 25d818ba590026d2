package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// A program that may go away by itself is waited for from one check to the next, and
// told of if it stays; once it is gone the interface is attached to.
func TestInterfaceIsBusy(t *testing.T) {
	w, said := newWire(t), new(lab.Transcript)
	var programs [2]*loader.Program
	for i := range programs {
		var err error
		if programs[i], err = loader.Load(mirror.Options{}, mirror.TakeAll()); err != nil {
			t.Fatal(err)
		}
		defer programs[i].Close()
	}
	watched := watch(w.far.Name, loader.ModeAuto, slog.New(slog.NewTextHandler(said, nil)))
	now := time.Now()
	check := func() { watched.check(programs[1], now); now = now.Add(checkInterval) }
	err := w.far.Namespace.Do(func() error {
		before, err := programs[0].Attach(w.far.Name, loader.ModeAuto)
		if err != nil {
			return err
		}
		for _, refusals := range []int{0, 1, 1, 1, 1} {
			if check(); strings.Count(said.String(), "cannot be attached to") != refusals {
				t.Errorf("said %q, want %d refusals", said, refusals)
			}
		}
		if err := before.Close(); err != nil {
			return err
		}
		for range 3 { // within the time after a refusal
			check()
		}
		if !watched.reading().Attached {
			t.Errorf("not attached; said %q", said)
		}
		return watched.detach()
	})
	if err != nil {
		t.Error(err)
	}
}
