package main

import (
	"fmt"
	"maps"
	"testing"

	"github.com/xdpeel/xdpeel/config"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// The sums of docs/ledger.md hold for sessions that name files, veths and a socket, of
// which some take a part.
func TestLedgerSums(t *testing.T) {
	w := newWire(t)
	d := &runningDaemon{wire: w, dir: t.TempDir(), runtime: t.TempDir()}
	d.start(t, daemonConfig(`
sessions:
  - {vni: 12345, filter: tcp, outputs: [all, live, left, right], share: balance}
  - {vni: any, sample: {one_in: 2, by: packet}, outputs: [all, half, first, second], share: copy}
filters: {tcp: {expression: tcp}}
outputs:
  all: {type: pcapng, path: DIR/all.pcapng}
  half: {type: pcap, path: DIR/half.pcap, sample: {one_in: 2}}
  live: {type: socket}
  left: {type: veth, interface: left, peer: left-ids}
  right: {type: veth, interface: right, peer: right-ids}
  first: {type: veth, interface: first, peer: first-ids}
  second: {type: veth, interface: second, peer: second-ids}
`))
	var ledger *mirror.Ledger
	for round := range 3 {
		outer, _ := conversation()
		w.send(t, outer...)
		labtest.Eventually(t, "the sums hold", func() bool {
			var err error
			if ledger, _, err = readStatus([]byte(d.status(t, "--json"))); err != nil {
				t.Fatal(err)
			}
			return ledger.Received >= uint64((round+1)*len(outer)) && checkSums(ledger) == nil && checkOffered(d.path("xdpeel.yaml"), ledger) == nil
		})
	}
	for name, account := range ledger.Outputs {
		if account.Offered == 0 && name != "left" && name != "right" {
			t.Errorf("nothing was offered to %s", name)
		}
	}
	d.finish(t)
}

// checkOffered compares what outputs were offered with what was delivered of the
// sessions that name them. Of veths that share in a balance it compares the sum.
func checkOffered(path string, ledger *mirror.Ledger) error {
	c, err := config.Load(path, nil)
	if err != nil {
		return err
	}
	want, got := make(map[string]uint64), make(map[string]uint64)
	nameOf := make(map[int]string)
	for _, o := range c.Outputs {
		nameOf[o.Slot] = o.Name
	}
	for session, account := range ledger.Sessions {
		policy := c.Policy.Session(session)
		if policy == nil {
			return fmt.Errorf("nobody named %v", session)
		}
		delivered := account.Packets - account.Filtered - account.SampledOut
		veths := c.Policy.VethsOf(policy)
		isShared := len(veths.Slots()) > 1 && c.Policy.CopySet(policy) == 0
		for _, slot := range policy.Outputs.Slots() {
			if isShared && veths.Has(slot) {
				nameOf[slot] = "those that share"
			} else {
				want[nameOf[slot]] += delivered
			}
		}
		if isShared {
			want["those that share"] += delivered
		}
	}
	for _, o := range c.Outputs {
		account := ledger.Outputs[o.Name]
		got[nameOf[o.Slot]] += account.Offered - account.Lost[mirror.LossLeftBehind]
	}
	if !maps.Equal(want, got) {
		return fmt.Errorf("offered %v, want %v", got, want)
	}
	return nil
}
