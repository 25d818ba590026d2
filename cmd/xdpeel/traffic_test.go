package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/corpus"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/lab/suricata"
)

// traffic is a capture of plain frames, and the interface on which an IDS reads
// them live.
type traffic struct {
	name, path string
	frames     [][]byte
	iface      string
}

// needSuricata skips the test where there is no Suricata or no root.
func needSuricata(t *testing.T) {
	t.Helper()
	labtest.NeedRoot(t, "makes network namespaces")
	if _, err := suricata.Find(); errors.Is(err, suricata.ErrAbsent) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// innerTraffic is all captures of plain frames.
func innerTraffic(t *testing.T) (list []traffic) {
	t.Helper()
	paths, err := corpus.Inner()
	if errors.Is(err, corpus.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		list = append(list, newTraffic(t, len(list), filepath.Base(path), path))
	}
	return list
}

// mirroredTraffic is what `xdpeel decap` finds in the captures of tunnels, but for
// those in which it finds nothing.
func mirroredTraffic(t *testing.T) (list []traffic) {
	t.Helper()
	captures, err := corpus.Mirrored()
	if errors.Is(err, corpus.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, capture := range captures {
		out := filepath.Join(dir, capture.Name)
		said := xdpeel(t, "", "decap", "-r", capture.Path, "-w", out, "--vxlan-ports", (*portList)(&capture.Ports.VXLAN).String())
		if said.status != 0 {
			t.Fatalf("decap %s: status %d, said %q", capture.Name, said.status, said.stderr)
		}
		if one := newTraffic(t, len(list), capture.Name, out); len(one.frames) > 0 {
			list = append(list, one)
		}
	}
	return list
}

func newTraffic(t *testing.T, number int, name, path string) traffic {
	t.Helper()
	return traffic{name: name, path: path, frames: readFrames(t, path), iface: fmt.Sprintf("ids%d", number)}
}

// pause lies between two frames, so that a few processes on two CPUs keep up.
const pause = 200 * time.Microsecond

// send sends frames, each made by wrap out of a frame of the traffic.
func (x *traffic) send(t *testing.T, sender *lab.Sender, wrap func([]byte) []byte) {
	t.Helper()
	for i, frame := range x.frames {
		if err := sender.Send(wrap(frame)); err != nil {
			t.Fatalf("%s, frame %d: %v", x.name, i+1, err)
		}
		time.Sleep(pause)
	}
}

// readLive has Suricata read the traffic while feed sends it, one thread for the
// interface of each capture, and returns what it found.
func readLive(t *testing.T, namespace *lab.Namespace, list []traffic, feed func()) *suricata.Findings {
	t.Helper()
	var ifaces []string
	packets := make(map[string]uint64)
	for _, one := range list {
		ifaces = append(ifaces, one.iface)
		packets[one.iface] = uint64(len(one.frames))
	}
	ids, err := suricata.Start(t.Context(), namespace, t.TempDir(), ifaces...)
	if err != nil {
		t.Fatal(err)
	}
	defer ids.Kill()
	feed()
	if err := ids.Await(t.Context(), packets); err != nil {
		t.Error(err)
	}
	found, err := ids.Stop()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// readPlain has Suricata read the frames as they are, with no xdpeel.
func readPlain(t *testing.T, list []traffic) *suricata.Findings {
	t.Helper()
	near, far := labtest.NewNamespace(t), labtest.NewNamespace(t)
	for _, one := range list {
		if _, err := lab.NewPair(near, far, lab.VethOptions{NameA: "to-" + one.iface, NameB: one.iface, MTU: 9216}); err != nil {
			t.Fatal(err)
		}
	}
	return readLive(t, far, list, func() {
		for _, one := range list {
			sender, err := lab.OpenSender(near, "to-"+one.iface)
			if err != nil {
				t.Fatal(err)
			}
			one.send(t, sender, func(frame []byte) []byte { return frame })
			sender.Close()
		}
	})
}

// readFiles has Suricata read each capture as a file.
func readFiles(t *testing.T, list []traffic) map[string]*suricata.Findings {
	t.Helper()
	byName := make(map[string]*suricata.Findings)
	for _, one := range list {
		found, err := suricata.ReadFile(t.Context(), t.TempDir(), one.path)
		if err != nil {
			t.Fatal(err)
		}
		byName[one.name] = found
	}
	return byName
}
