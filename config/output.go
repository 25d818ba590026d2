package config

import (
	"math/bits"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/mirror"
)

// Output is where packets go. A session names the outputs it wants.
type Output struct {
	Name string
	Slot int // its bit in mirror.OutputSet, below abi.LimitOutputs
	Type OutputType

	Files // of pcapng and pcap

	// Of network interfaces.
	Interface string // veth: xdpeel's end; afpacket: where packets are sent
	Peer      string // veth: the consumer's end
	Namespace string // veth: network namespace of the consumer's end, as `ip netns` knows it or a path; "": ours
	Queues    int    // veth: receive queues of the consumer's end
	MTU       int    // veth: in bytes, of both ends
	Tagged    bool   // veth: frames carry their session's VLAN tag

	Socket Socket

	// In user space, so not of veth, and on top of the session's.
	Sample mirror.Sampling
	Snap   mirror.Snap
}

// OutputType says what an output is.
type OutputType string

// The values of OutputType.
const (
	OutputPcapng   OutputType = "pcapng"   // capture files
	OutputPcap     OutputType = "pcap"     // likewise, in the older format, which knows no sessions
	OutputVeth     OutputType = "veth"     // a pair of virtual interfaces, fed by the kernel program
	OutputAFPacket OutputType = "afpacket" // an interface that packets are sent out of
	OutputSocket   OutputType = "socket"   // a stream to each that reads a unix socket
)

// typeKey is the key that says which other keys an output has.
var typeKey = key[Output]{"type", func(r *reader, n *yaml.Node, o *Output) {
	choose(r, n, "type", &o.Type, OutputPcapng, OutputPcap, OutputVeth, OutputAFPacket, OutputSocket)
}}

// outputKeys are the keys of an output, by its type.
var outputKeys = map[OutputType][]key[Output]{
	OutputPcapng: fileKeys,
	OutputPcap:   fileKeys,
	OutputVeth: {
		typeKey,
		interfaceKey,
		{"peer", func(r *reader, n *yaml.Node, o *Output) { o.Peer, _ = r.interfaceName(n, "peer") }},
		{"queues", func(r *reader, n *yaml.Node, o *Output) { o.Queues = r.limited(n, "queues", 1, maxQueues, o.Queues) }},
		{"mtu", func(r *reader, n *yaml.Node, o *Output) { o.MTU = r.limited(n, "mtu", minMTU, maxMTU, o.MTU) }},
		{"netns", readNamespace},
		{"tag", readTag},
	},
	OutputAFPacket: {typeKey, {"interface", readSendingInterface}, sampleKey, snapKey},
	OutputSocket:   socketKeys,
}

var (
	interfaceKey = key[Output]{"interface", func(r *reader, n *yaml.Node, o *Output) { o.Interface, _ = r.interfaceName(n, "interface") }}
	sampleKey    = key[Output]{"sample", func(r *reader, n *yaml.Node, o *Output) { o.Sample = r.sample(n) }}
	snapKey      = key[Output]{"snaplen", func(r *reader, n *yaml.Node, o *Output) { o.Snap = r.snap(n) }}
)

// The kernel's limits of a veth (drivers/net/veth.c, net/core/rtnetlink.c), and a
// default MTU that holds what AWS's jumbo frames carry.
const (
	maxQueues  = 4096
	minMTU     = 68
	maxMTU     = 65535
	defaultMTU = 9216
)

// requiredKeys are the keys that an output cannot do without.
var requiredKeys = map[OutputType][]string{
	OutputPcapng: {"path"}, OutputPcap: {"path"}, OutputVeth: {"interface", "peer"}, OutputAFPacket: {"interface"},
}

// readOutputs reads all outputs and gives them their slots.
func (r *reader) readOutputs() {
	entries := r.entries(r.outputs, "output")
	r.slotOf = make(map[string]int, len(entries))
	if len(entries) > abi.LimitOutputs {
		r.complain(r.outputs, "outputs has %d; there can be %d", len(entries), abi.LimitOutputs)
		entries = entries[:abi.LimitOutputs]
	}
	r.takeSlots(entries)
	for _, entry := range entries {
		output := Output{Name: entry.name, Slot: r.slotOf[entry.name]}
		if r.readOutput(entry, &output) {
			r.config.Outputs = append(r.config.Outputs, output)
			r.takeVeths(&output)
			r.checkSocket(entry, &output)
		}
	}
}

func (r *reader) readOutput(e entry, o *Output) bool {
	at := valueOf(e.value, typeKey.name)
	if at == nil {
		r.complain(e.node, "output %q needs the key type: pcapng, pcap, veth, afpacket or socket", e.name)
		return false
	}
	typeKey.read(r, r.resolve(at), o)
	keys, ok := outputKeys[o.Type]
	if !ok {
		return false // as was said
	}
	if o.Type == OutputVeth {
		o.Queues, o.MTU = 1, defaultMTU
	}
	if o.Type == OutputPcapng || o.Type == OutputPcap {
		o.Files.OnRotateTimeout = defaultTimeout
	}
	if o.Type == OutputSocket {
		o.Socket.Readers = defaultReaders
	}
	readMapping(r, e.value, "an output of type "+string(o.Type), keys, o)
	for _, name := range requiredKeys[o.Type] {
		if valueOf(e.value, name) == nil {
			r.complain(e.node, "output %q needs the key %s", e.name, name)
		}
	}
	if o.Files.Path != "" {
		r.checkFiles(e.node, &o.Files)
	}
	return true
}

// valueOf returns the value of a mapping's key, nil without.
func valueOf(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// readSendingInterface refuses one where mirrored packets arrive: what was mirrored
// would be traffic again, in the network that it was mirrored from.
func readSendingInterface(r *reader, n *yaml.Node, o *Output) {
	interfaceKey.read(r, n, o)
	if slices.Contains(r.config.Interfaces, o.Interface) {
		r.complain(n, "interface %q is where mirrored packets arrive: what is sent out of it would be forged traffic there", o.Interface)
	}
}

// takeSlots gives each output a slot: the one it had, else a fresh one, else one of
// an output that is gone. Packets of that one may still be on their way.
func (r *reader) takeSlots(entries []entry) {
	var used, before mirror.OutputSet
	for _, slot := range r.slots {
		before |= 1 << slot
	}
	for _, entry := range entries {
		if slot, ok := r.slots[entry.name]; ok {
			r.slotOf[entry.name] = slot
			used |= 1 << slot
		}
	}
	for _, entry := range entries {
		if _, ok := r.slotOf[entry.name]; ok {
			continue
		}
		slot := bits.TrailingZeros32(uint32(^(used | before)))
		if slot == abi.LimitOutputs {
			slot = bits.TrailingZeros32(uint32(^used))
		}
		r.slotOf[entry.name] = slot
		used |= 1 << slot
	}
}

// allOutputs is the set of every output.
func (r *reader) allOutputs() mirror.OutputSet {
	var all mirror.OutputSet
	for _, slot := range r.slotOf {
		all |= 1 << slot
	}
	return all
}
