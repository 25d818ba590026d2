//go:build guest

package drivers

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"testing"

	"github.com/vishvananda/netlink/nl"
)

const (
	smallestMTU = 1500
	largestMTU  = 9216 // of the taps between a guest's virtio cards
)

// mode is how a program is attached.
type mode struct {
	name string
	flag int
}

var modes = []mode{{"native", nl.XDP_FLAGS_DRV_MODE}, {"generic", nl.XDP_FLAGS_SKB_MODE}}

// TestDrivers logs for each pair of cards, and a veth pair, up to which MTU a
// program attaches to the second, what is said above that, and the longest
// frame from the first that then gets through the program to a socket.
func TestDrivers(t *testing.T) {
	if os.Getenv("XDPEEL_VM") == "" {
		t.Skip("needs a guest of scripts/vm/matrix.sh: it changes the MTU of network cards")
	}
	nl.EnableErrorMessageReporting = true // the driver's own words
	for _, w := range append(cards(t), vethPair(t)) {
		t.Run(w.String(), func(t *testing.T) {
			exploreBare(t, w)
			for _, m := range modes {
				for _, frags := range []bool{false, true} {
					explore(t, w, m, frags)
				}
			}
		})
	}
}

// exploreBare tells what gets through with no program attached.
func exploreBare(t *testing.T, w wire) {
	mtu := largest(smallestMTU, largestMTU, func(mtu int) bool { return w.setMTU(mtu) == nil })
	if err := w.setMTU(mtu); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, no program: MTU up to %d; frames up to %d of %d bytes arrive", w, mtu, w.longestFrame(t, mtu), mtu+headerSize)
}

// explore tells what gets through a program, if it attaches at all.
func explore(t *testing.T, w wire, m mode, frags bool) {
	subject := fmt.Sprintf("%s, %s, frags %v", w, m.name, frags)
	p, err := loadProbe(frags)
	if err != nil {
		t.Logf("%s: does not load: %v", subject, err)
		return
	}
	defer p.close()
	mtu, refused := p.largestMTU(w, m)
	if mtu == 0 {
		t.Logf("%s: does not attach: %v", subject, refused)
		return
	}
	if err := w.setMTU(mtu); err != nil {
		t.Fatal(err)
	}
	queues := w.receiveQueues(t)
	if err := p.attach(w.to, m); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := detach(w.to, m); err != nil {
			t.Error(err)
		}
	}()
	t.Logf("%s: attaches at MTU up to %d (above: %v); frames up to %d of %d bytes arrive, linear up to %d; receive queues %d before, %d attached",
		subject, mtu, refused, w.longestFrame(t, mtu), mtu+headerSize, p.longestLinear(t), queues, w.receiveQueues(t))
}

// largestMTU returns the largest MTU at which the program attaches, or 0, and the
// error that a larger one gets.
func (p *probe) largestMTU(w wire, m mode) (int, error) {
	attaches := func(mtu int) error {
		if err := w.setMTU(mtu); err != nil {
			return err
		}
		if err := p.attach(w.to, m); err != nil {
			return err
		}
		return detach(w.to, m)
	}
	if err := attaches(smallestMTU); err != nil {
		return 0, err
	}
	mtu := largest(smallestMTU, largestMTU, func(mtu int) bool { return attaches(mtu) == nil })
	if mtu == largestMTU {
		return mtu, errNotTried
	}
	return mtu, attaches(mtu + 1)
}

var errNotTried = errors.New("not tried")

// largest returns the largest number in [low, high] that is good, where low is,
// and no number is behind one that is not.
func largest(low, high int, good func(int) bool) int {
	return low + sort.Search(high-low, func(i int) bool { return !good(low + i + 1) })
}
