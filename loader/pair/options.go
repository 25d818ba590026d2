package pair

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// Options says what a pair is to be like.
type Options struct {
	Name          string // our end, in the calling thread's network namespace
	Peer          string // the consumer's end
	PeerNamespace string // its network namespace, by the name that `ip netns` knows or as a path; empty: ours
	Queues        int    // receive queues of the consumer's end, from 1
	MTU           int    // of both ends, in bytes behind the Ethernet header
}

// The limits of the kernel: the smallest MTU is IPv4's, the largest a veth's; no
// interface has more queues than fit into 4096.
const (
	minMTU    = 68
	maxMTU    = 65535
	maxQueues = 4096
)

// Check returns an error that names what no pair can be like.
func (o *Options) Check() error {
	for _, name := range []string{o.Name, o.Peer} {
		if !isInterfaceName(name) {
			return fmt.Errorf("%q is no name for an interface", name)
		}
	}
	if o.PeerNamespace != "" && !isNamespaceName(o.PeerNamespace) {
		return fmt.Errorf("%q is no name for a network namespace", o.PeerNamespace)
	}
	if o.Queues < 1 || o.Queues > maxQueues {
		return fmt.Errorf("veth %q has no %d queues", o.Name, o.Queues)
	}
	if o.MTU < minMTU || o.MTU > maxMTU {
		return fmt.Errorf("veth %q has no MTU of %d", o.Name, o.MTU)
	}
	return nil
}

// isInterfaceName goes by dev_valid_name, net/core/dev.c.
func isInterfaceName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) < unix.IFNAMSIZ &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == ':' || r == 0 || unicode.IsSpace(r) })
}

func isNamespaceName(name string) bool {
	return !strings.ContainsRune(name, 0) &&
		(filepath.IsAbs(name) || name != "." && name != ".." && !strings.ContainsRune(name, '/'))
}
