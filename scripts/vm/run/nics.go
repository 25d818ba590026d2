package main

import (
	"fmt"
	"strings"
)

// nic is a kind of network card. A guest gets two of a kind, wired to each other.
type nic struct {
	name    string
	device  string // QEMU's -device
	backend func(id string, port int) string
}

// taps wires cards with several queues, which no backend within QEMU can do. The
// taps are those of taps.sh. XDP wants a queue for each CPU beside the stack's.
func taps(id string, port int) string {
	return fmt.Sprintf("tap,id=%s,ifname=xdpeel%d,script=no,downscript=no,vhost=off,queues=%d", id, port, 2*cpus)
}

// hub wires cards within QEMU, which needs no privilege, through hub n.
func hub(n int) func(id string, port int) string {
	return func(id string, _ int) string {
		return fmt.Sprintf("hubport,id=%s,hubid=%d", id, n)
	}
}

var knownNICs = []nic{
	// Interrupt vectors: one for each queue in each direction, two more for the card.
	{"virtio", fmt.Sprintf("virtio-net-pci,mq=on,vectors=%d", 4*cpus+2), taps},
	{"virtio-single", "virtio-net-pci", hub(0)},
	{"vmxnet3", "vmxnet3", hub(1)},
}

func nicKinds() string {
	var names []string
	for _, n := range knownNICs {
		names = append(names, n.name)
	}
	return strings.Join(names, ", ")
}

// parseNICs reads a list of kinds, separated by commas.
func parseNICs(list string) ([]nic, error) {
	var nics []nic
next:
	for _, name := range strings.Split(list, ",") {
		for _, n := range knownNICs {
			if n.name == name {
				nics = append(nics, n)
				continue next
			}
		}
		return nil, fmt.Errorf("unknown network card %q: there are %s", name, nicKinds())
	}
	return nics, nil
}

func (n nic) qemuArguments() []string {
	var args []string
	for port := range 2 {
		id := fmt.Sprintf("%s%d", n.name, port)
		args = append(args, "-netdev", n.backend(id, port), "-device", n.device+",netdev="+id)
	}
	return args
}
