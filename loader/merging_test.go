package loader

import (
	"fmt"
	"testing"

	"github.com/safchain/ethtool"

	"github.com/xdpeel/xdpeel/lab"
	"github.com/xdpeel/xdpeel/lab/frames"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/loader/pair"
)

// segments are n segments of one TCP connection in a row: what GRO merges.
func segments(n, length int) (inner [][]byte) {
	for i := range n {
		tcp := frames.TCP{Source: client.Port, Destination: instance.Port, Sequence: uint32(1000 + i*length), NoPush: true}
		segment := tcp.Segment(client.Address, instance.Address, frames.Payload(length))
		packet := frames.IP{Source: client.Address, Destination: instance.Address, Protocol: frames.ProtocolTCP, ID: uint16(i)}.Packet(segment)
		inner = append(inner, frames.Ethernet(instance.MAC, client.MAC, frames.EtherTypeIPv4, packet))
	}
	return inner
}

// What these tests send is merged where nothing keeps it apart: on a veth without
// xdpeel's programs and limits.
func TestWireWouldMerge(t *testing.T) {
	w := newWire(t, lab.VethOptions{MTU: wireMTU})
	receiver := labtest.OpenReceiver(t, w.pair.B.Namespace, w.pair.B.Name)
	c := &consumer{namespace: w.pair.B.Namespace, end: w.pair.B.Name, receiver: receiver}
	offloads{"rx-gro": true}.set(t, c.namespace, c.end)
	c.waitForMore(t)
	want := segments(200, 500)
	w.send(want)
	for _, frame := range c.receive(t, len(want)) {
		if len(frame) > len(want[0]) {
			return
		}
	}
	t.Error("nothing was merged: TestVethNeverMerges shows nothing")
}

// waitForMore has the kernel hold received packets back for others to merge with.
func (c *consumer) waitForMore(t *testing.T) {
	t.Helper()
	err := c.namespace.Do(func() error { return pair.WriteSys("class/net/"+c.end+"/gro_flush_timeout", "50000000") })
	if err != nil {
		t.Fatal(err)
	}
}

// offloads are features of an interface by their names in net/ethtool/common.c.
type offloads map[string]bool

// set switches them on or off, as `ethtool -K` does, as far as the interface has them.
func (wanted offloads) set(t *testing.T, n *lab.Namespace, name string) {
	t.Helper()
	err := n.Do(func() error {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer tool.Close()
		has, err := tool.Features(name)
		if err != nil {
			return err
		}
		change := make(map[string]bool)
		for feature, on := range wanted {
			if _, ok := has[feature]; ok {
				change[feature] = on
			}
		}
		return tool.Change(name, change)
	})
	if err != nil {
		t.Logf("features %v: %v", wanted, err)
	}
}

// A consumer may switch offloads on and off as it likes, as Suricata does at start:
// the frames stay apart, and go on coming.
func TestVethNeverMerges(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			var c *consumer
			f := newFed(t, mode, toVeth(0), func(f *fed) { c = openConsumer(t, f.wire, f.program, vethOptions(slotOfVeth, wireMTU)) })
			c.waitForMore(t)
			for _, features := range []offloads{
				{"rx-gro": true}, {"rx-gro": false}, {"rx-gro-list": true}, {"rx-gro": true, "rx-udp-gro-forwarding": true},
				{"rx-gro": false}, {"tx-checksum-ip-generic": false}, {"tx-checksum-ip-generic": true, "tx-generic-segmentation": true},
				{"rx-checksum": false}, {"rx-lro": true, "rx-gro": true},
			} {
				t.Run(fmt.Sprint(features), func(t *testing.T) {
					features.set(t, c.namespace, c.end)
					want := segments(200, 500)
					f.send(wrapAll(want))
					sameFrames(t, want, c.receive(t, len(want)))
				})
			}
		})
	}
}
