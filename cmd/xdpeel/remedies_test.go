package main

import (
	"bytes"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/xdpeel/xdpeel/export"
	"github.com/xdpeel/xdpeel/loader"
	"github.com/xdpeel/xdpeel/mirror"
)

// The daemon's remedy for a full disk is in its configuration, a capture's on its
// command line.
func TestFullDiskRemedies(t *testing.T) {
	full := &export.WriteError{Action: "write", Path: "x", Loss: mirror.LossDiskFull, Err: syscall.ENOSPC}
	for _, test := range []struct {
		explain func(error) error
		names   string
	}{{explainKept, "keep_size"}, {explainOutput, "-C and -W"}} {
		if hint := hintOf(test.explain(full)); !strings.Contains(hint, test.names) {
			t.Errorf("hint %q, want one that names %s", hint, test.names)
		}
	}
}

// Somebody else's program is named, and not offered for removal.
func TestForeignProgramIsNamed(t *testing.T) {
	var said bytes.Buffer
	sayError(&said, explainLoader(&loader.OccupiedError{
		Interface: "ens5", Holder: loader.Holder{ID: 42, Name: "somebody_elses"},
	}))
	const want = "xdpeel: error: interface \"ens5\" already carries the XDP program \"somebody_elses\" (id 42)\n" +
		"xdpeel: hint: only who put it there should take it off: `bpftool net show dev ens5` tells more\n"
	if said.String() != want {
		t.Errorf("said %q, want %q", said.String(), want)
	}
}

// Who may not open the socket is told whom to ask, beside why nothing is captured.
func TestUnreadableDaemon(t *testing.T) {
	occupied := &loader.OccupiedError{Interface: "ens5", Holder: loader.Holder{Name: "xdpeel", Ours: true}}
	for _, test := range []struct {
		err, unreadable error
		hinted          bool
	}{
		{occupied, syscall.EACCES, true}, {&loader.CapabilityError{}, syscall.EACCES, true},
		{occupied, syscall.ENOENT, false}, {io.EOF, syscall.EACCES, false},
	} {
		var said strings.Builder
		sayError(&said, explainUnreadable(test.err, &captureOptions{unreadable: test.unreadable}))
		if got := strings.Contains(said.String(), "`group:` and `mode:` of its output"); got != test.hinted {
			t.Errorf("%v after %v: said %q", test.err, test.unreadable, said.String())
		}
	}
}
