//go:build guest

package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xdpeel/xdpeel/loader"
)

// cardsOf returns the guest's interfaces of a driver.
func cardsOf(t *testing.T, driver string) (names []string) {
	t.Helper()
	for range 1000 { // a card may take a while
		links, _ := filepath.Glob("/sys/class/net/*/device/driver")
		for _, path := range links {
			if target, err := os.Readlink(path); err == nil && filepath.Base(target) == driver {
				names = append(names, strings.Split(path, "/")[4])
			}
		}
		if len(names) > 0 {
			return names
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// On real drivers, of every kernel, doctor foretells what attaching will do: native mode
// if nothing is wrong with driver, MTU, channels and offloads, and else generic.
func TestCardsForetold(t *testing.T) {
	for kind, driver := range map[string]string{"virtio": "virtio_net", "vmxnet3": "vmxnet3"} {
		if !slices.Contains(strings.Split(os.Getenv("XDPEEL_VM_NICS"), ","), kind) {
			continue
		}
		names := cardsOf(t, driver)
		if len(names) == 0 {
			t.Errorf("no card of %s", driver)
			continue
		}
		for _, mtu := range []int{1500, loader.SingleBufferMTU, 9000} {
			t.Run(fmt.Sprintf("%s/%d", driver, mtu), func(t *testing.T) { foretell(t, names[0], mtu) })
		}
	}
}

func foretell(t *testing.T, name string, mtu int) {
	card, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetMTU(card, mtu); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(card); err != nil {
		t.Fatal(err)
	}
	w := newWish(t)
	w.Interface, w.Mode = name, loader.ModeAuto
	r := Examine(w)
	foretold := loader.ModeNative
	for _, f := range r.Findings {
		if slices.Contains([]Subject{Driver, MTU, Channels, Offloads}, f.Subject) {
			t.Logf("%s: %s: %s", f.Subject, f.Level, f.Found)
			if rank[f.Level] >= rank[Warning] {
				foretold = loader.ModeGeneric
			}
		}
	}
	program, err := loader.Load(w.Judge, w.Policy)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	attachment, err := program.Attach(name, loader.ModeAuto)
	if err != nil {
		t.Fatal(err)
	}
	if attachment.Mode != foretold {
		t.Errorf("attached in %s mode, %s was foretold; refusals %v", attachment.Mode, foretold, attachment.Refusals)
	}
	if err := attachment.Close(); err != nil {
		t.Error(err)
	}
}

// Mend mends what is the whole machine's, too: afterwards the card takes native XDP, and
// nothing of what was mended is found again.
func TestCardsMended(t *testing.T) {
	names := cardsOf(t, "virtio_net")
	if len(names) == 0 {
		t.Skip("needs a virtio_net card: scripts/vm/matrix.sh --nics virtio")
	}
	card, err := netlink.LinkByName(names[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(netlink.LinkSetMTU(card, 9000), netlink.LinkSetDown(card), os.WriteFile(sysctlPath(unprivilegedParameter), []byte("0"), 0)); err != nil {
		t.Fatal(err)
	}
	directory := filepath.Join(t.TempDir(), "new")
	w := newWish(t)
	w.Interface, w.Mode, w.Pins = names[0], loader.ModeAuto, loader.StandardMount+"/xdpeel"
	w.Outputs = []Output{{Name: "all", Path: directory + "/x.pcapng", KeepSize: 1 << 20}}
	before := Examine(w)
	for _, m := range before.Mend() {
		t.Logf("%s: %s %s", m.Subject, m.Command, m.Error)
		if m.Error != "" {
			t.Errorf("%s: %s", m.Command, m.Error)
		}
	}
	for _, f := range Examine(w).Findings {
		if f.mend != nil {
			t.Errorf("after mending: %+v", f)
		}
	}
	program, err := loader.Load(w.Judge, w.Policy)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	attachment, err := program.Attach(names[0], loader.ModeNative)
	if err != nil {
		t.Fatal(err)
	}
	if err := attachment.Close(); err != nil {
		t.Error(err)
	}
}
