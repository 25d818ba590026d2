package main

import (
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
)

// frozenDisk is a file system whose writes hang until it is thawed.
type frozenDisk struct {
	t    *testing.T
	path string
	root *os.File
}

// The ioctls of linux/fs.h.
const (
	ioctlFreeze = 0xc0045877 // FIFREEZE
	ioctlThaw   = 0xc0045878 // FITHAW
)

func newDisk(t *testing.T) *frozenDisk {
	t.Helper()
	labtest.Need(t, "mkfs.ext4", "mount")
	image := filepath.Join(t.TempDir(), "disk")
	d := &frozenDisk{t: t, path: t.TempDir()}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"truncate", "-s", "256M", image}, {"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, d.path},
	} {
		if text, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("needs a loop device: %v: %v %s", command, err, text)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(d.path, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	var err error
	if d.root, err = os.Open(d.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.IoctlSetInt(int(d.root.Fd()), ioctlThaw, 0) // what a test that failed has left frozen
		d.root.Close()
	})
	return d
}

func (d *frozenDisk) set(request uint) {
	d.t.Helper()
	if err := unix.IoctlSetInt(int(d.root.Fd()), request, 0); err != nil {
		d.t.Fatal(err)
	}
}

// A disk that hangs costs the output on it what memory does not hold, and no other
// output anything: neither packets nor the time to answer.
func TestRunStalledDisk(t *testing.T) {
	w := newWire(t)
	disk := newDisk(t)
	d := w.run(t, `
buffer: 4MiB
sessions: [{vni: any}]
outputs: {stalled: {type: pcapng, path: `+disk.path+`/stalled.pcapng}, sound: {type: pcapng, path: DIR/sound.pcapng}}
`)
	sender := labtest.OpenSender(t, w.near.Namespace, w.near.Name)
	frame := frames.Wrap(make([]byte, 1000), 1, netip.MustParseAddr("10.0.0.1"), lab.Target)
	sent := uint64(0)
	send := func(n uint64) {
		t.Helper()
		for range n {
			binary.BigEndian.PutUint64(frame[len(frame)-8:], sent)
			if err := sender.Send(frame); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		labtest.Eventually(t, "the sound output has all", func() bool { return d.statusLedger(t).Outputs["sound"].Delivered == sent })
	}
	send(1000)
	disk.set(ioctlFreeze)
	for range 20 {
		send(1000)
	}
	if stalled := d.statusLedger(t).Outputs["stalled"]; stalled.Lost["queue_full"] == 0 {
		t.Errorf("account of the stalled output %+v, want packets lost", stalled)
	}
	disk.set(ioctlThaw)
	send(1000)
	ledger := d.finish(t)
	sound, stalled := ledger.Outputs["sound"], ledger.Outputs["stalled"]
	if sound.Delivered != sent || len(sound.Lost) > 0 || ledger.Received != sent {
		t.Errorf("account of the sound output %+v, want %d delivered", sound, sent)
	}
	got := numbersIn(t, filepath.Join(disk.path, "stalled.pcapng"))
	if stalled.Offered != sent || stalled.Delivered != uint64(len(got)) || stalled.Lost["queue_full"] != sent-uint64(len(got)) {
		t.Errorf("account of the stalled output %+v, with %d of %d packets in its file", stalled, len(got), sent)
	}
	if first, last := got[999], got[len(got)-1]; first != 999 || last != sent-1 {
		t.Errorf("packet 999 is %d and the last %d, want what came before it hung and after", first, last)
	}
	if all := numbersIn(t, d.path("sound.pcapng")); uint64(len(all)) != sent {
		t.Errorf("%d of %d packets in the file of the sound output", len(all), sent)
	}
}
